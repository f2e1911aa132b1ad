;; Fold a character: give the small letter or the digit that it stands for, and 0 for anything else.
(module
  (func (export "fold") (param $character i32) (result i32)
    (if (call $within (local.get $character) (i32.const 65) (i32.const 90))  ;; A to Z
      (then (return (i32.add (local.get $character) (i32.const 32)))))
    (if (call $within (local.get $character) (i32.const 97) (i32.const 122))  ;; a to z
      (then (return (local.get $character))))
    (if (call $within (local.get $character) (i32.const 48) (i32.const 57))  ;; 0 to 9
      (then (return (local.get $character))))
    (i32.const 0))

  (func $within (param $character i32) (param $first i32) (param $last i32) (result i32)
    (i32.le_u (i32.sub (local.get $character) (local.get $first))
              (i32.sub (local.get $last) (local.get $first)))))

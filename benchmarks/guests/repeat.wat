;; Calls a function of another module that many times.
(module
  (import "other" "f" (func $f (param i32 i32) (result i32)))
  (func (export "f") (param $times i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (call $f (local.get $sum) (local.get $times)))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (local.get $sum)))

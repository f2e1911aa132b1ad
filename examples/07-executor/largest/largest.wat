;; Give the largest of a list of integers: another function to reduce with. Of an empty list that is
;; the smallest number there is, than which everything is larger.
(module
  (import "list" "open" (func $open (param $list i32) (result i32 i32)))
  (import "list" "integer" (func $integer (param $list i32) (param $at i32) (result i64 i32)))

  (func (export "reduce") (param $list i32) (result i64)
    (local $left i32) (local $at i32) (local $number i64) (local $largest i64)
    (local.set $largest (i64.const 0x8000000000000000))
    (call $open (local.get $list))
    (local.set $at)    ;; the last result is taken first
    (local.set $left)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (call $integer (local.get $list) (local.get $at))
        (local.set $at)
        (local.set $number)
        (if (i64.gt_s (local.get $number) (local.get $largest))
          (then (local.set $largest (local.get $number))))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (local.get $largest)))

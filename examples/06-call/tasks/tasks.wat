;; Three tasks, each of which can fail in a way of its own.
(module
  (import "ipvm" "abort"
    (func $abort (param $code i32) (param $message i32) (param $length i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "the number is odd")

  ;; Half of an even number; an odd one ends the invocation with the code 7, which is ours to
  ;; choose.
  (func (export "half") (param $number i64) (result i64)
    (if (i64.eqz (i64.and (local.get $number) (i64.const 1)))
      (then (return (i64.shr_s (local.get $number) (i64.const 1)))))
    (drop (call $abort (i32.const 7) (i32.const 0) (i32.const 17)))
    unreachable)

  ;; A part of a hundred; WebAssembly itself does not divide by zero, and traps.
  (func (export "share") (param $number i64) (result i64)
    (i64.div_s (i64.const 100) (local.get $number)))

  ;; Count down from a number to zero; a large one takes more fuel than most are ready to give.
  (func (export "countdown") (param $number i64) (result i64)
    (loop $next
      (local.set $number (i64.sub (local.get $number) (i64.const 1)))
      (br_if $next (i64.gt_s (local.get $number) (i64.const 0))))
    (local.get $number)))

;; Computes, and does nothing else: a linear congruential sequence.
(module
  (func (export "f") (param $times i32) (result i32) (local $state i32)
    (loop $again
      (local.set $state
        (i32.add (i32.mul (local.get $state) (i32.const 1664525)) (i32.const 1013904223)))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (local.get $state)))

;; Calls a function of the host that many times.
(module
  (import "host" "ask" (func $ask (param i32) (result i32)))
  (func (export "f") (param $times i32) (result i32)
    (loop $again
      (drop (call $ask (local.get $times)))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (i32.const 0)))

;; Opens the same block that many times: a host call that may wait.
(module
  (import "ipld" "block_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "f") (param $link i32) (param $times i32) (result i32)
    (if (call $read (i32.const 0) (local.get $link) (i32.const 0) (i32.const 64) (i32.const 160))
      (then unreachable))
    (loop $again
      (if (call $open (i32.const 0) (i32.const 64)) (then unreachable))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (i32.load (i32.const 12))))

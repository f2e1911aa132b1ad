;; Reads 1 KiB of a block that many times.
(module
  (import "ipld" "block_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "f") (param $id i32) (param $times i32) (result i32)
    (loop $again
      (if (call $read (i32.const 0) (local.get $id) (i32.const 0) (i32.const 1024)
            (i32.const 1024))
        (then unreachable))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (i32.load8_u (i32.const 1024))))

;; Takes a block into its memory, and makes a block of what is there: bytes in, the same bytes out.
(module
  (import "ipld" "block_stat" (func $stat (param i32 i32) (result i32)))
  (import "ipld" "block_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
  (import "ipld" "block_create" (func $create (param i32 i64 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "f") (param $id i32) (result i32) (local $size i32)
    (if (call $stat (i32.const 0) (local.get $id)) (then unreachable))
    (local.set $size (i32.load (i32.const 8)))
    (if (call $read (i32.const 16) (local.get $id) (i32.const 0) (i32.const 1024) (local.get $size))
      (then unreachable))
    (if (call $create (i32.const 0) (i64.const 0x55) (i32.const 1024) (local.get $size))
      (then unreachable))
    (i32.load (i32.const 0))))

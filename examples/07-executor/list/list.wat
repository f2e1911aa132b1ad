;; Read lists in DAG-CBOR item by item, for other functions.
;;
;; A list is a block; a place in it is the number of bytes before it. Every function takes a place
;; and gives what stands there and the place behind it, so that nothing has to be remembered here,
;; and two lists can be read at once.
;;
;; Memory:     0  what host calls answer
;;            16  messages
;;          1024  the bytes at a place: an item is at most 170 bytes long
(module
  (import "ipld" "block_create"
    (func $block_create (param $out i32) (param $codec i64) (param $data i32) (param $length i32)
                        (result i32)))
  (import "ipld" "block_read"
    (func $block_read (param $out i32) (param $block i32) (param $offset i32) (param $to i32)
                      (param $max i32) (result i32)))
  (import "ipvm" "abort"
    (func $abort (param $code i32) (param $message i32) (param $length i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "expected a list")
  (data (i32.const 48) "expected a link")
  (data (i32.const 80) "expected an integer of 64 bits")

  (global $behind (mut i32) (i32.const 0))  ;; address behind what was read last

  ;; Give the number of items of a list, and the place of the first.
  (func (export "open") (param $list i32) (result i32 i32) (local $head i32)
    (call $fetch (local.get $list) (i32.const 0))
    (local.set $head (call $byte))
    (if (i32.ne (call $kind (local.get $head)) (i32.const 4))
      (then (call $refuse (i32.const 16) (i32.const 15))))
    (i32.wrap_i64 (call $count (local.get $head)))
    (call $place (i32.const 0)))

  ;; Give the handle of a link. It is the tag 42, and then bytes: a zero, and the CID.
  (func (export "link") (param $list i32) (param $at i32) (result i32 i32) (local $length i32)
    (call $fetch (local.get $list) (local.get $at))
    (if (i64.ne (call $bytes (i32.const 2)) (i64.const 0xd82a))
      (then (call $refuse (i32.const 48) (i32.const 15))))
    (local.set $length (i32.wrap_i64 (call $count (call $byte))))
    (if (call $block_create (i32.const 0) (i64.const 0x55)
                            (i32.add (global.get $behind) (i32.const 1))
                            (i32.sub (local.get $length) (i32.const 1)))
      (then (call $refuse (i32.const 48) (i32.const 15))))
    (global.set $behind (i32.add (global.get $behind) (local.get $length)))
    (i32.load (i32.const 0))
    (call $place (local.get $at)))

  ;; Give an integer. A negative one is stored as -1 minus it.
  (func (export "integer") (param $list i32) (param $at i32) (result i64 i32)
    (local $head i32) (local $count i64)
    (call $fetch (local.get $list) (local.get $at))
    (local.set $head (call $byte))
    (if (i32.gt_u (call $kind (local.get $head)) (i32.const 1))
      (then (call $refuse (i32.const 80) (i32.const 30))))
    (local.set $count (call $count (local.get $head)))
    (if (i64.lt_s (local.get $count) (i64.const 0))
      (then (call $refuse (i32.const 80) (i32.const 30))))
    (if (call $kind (local.get $head))
      (then (local.set $count (i64.sub (i64.const -1) (local.get $count)))))
    (local.get $count)
    (call $place (local.get $at)))

  (func $refuse (param $message i32) (param $length i32)
    (drop (call $abort (i32.const 1) (local.get $message) (local.get $length)))
    unreachable)

  ;; Bring the bytes at a place into memory.
  (func $fetch (param $list i32) (param $at i32)
    (if (call $block_read (i32.const 0) (local.get $list) (local.get $at) (i32.const 1024)
                          (i32.const 256))
      (then (call $refuse (i32.const 16) (i32.const 15))))
    (global.set $behind (i32.const 1024)))

  ;; Give the place behind what was read since $fetch.
  (func $place (param $at i32) (result i32)
    (i32.add (local.get $at) (i32.sub (global.get $behind) (i32.const 1024))))

  (func $kind (param $head i32) (result i32)
    (i32.shr_u (local.get $head) (i32.const 5)))

  ;; Give the count of a head: the value up to 23, or that of the 1, 2, 4 or 8 bytes behind.
  (func $count (param $head i32) (result i64) (local $low i32)
    (local.set $low (i32.and (local.get $head) (i32.const 31)))
    (if (i32.lt_u (local.get $low) (i32.const 24))
      (then (return (i64.extend_i32_u (local.get $low)))))
    (call $bytes (i32.shl (i32.const 1) (i32.sub (local.get $low) (i32.const 24)))))

  ;; Read bytes as one number, the highest first.
  (func $bytes (param $number i32) (result i64) (local $value i64)
    (loop $next
      (local.set $value
        (i64.or (i64.shl (local.get $value) (i64.const 8)) (i64.extend_i32_u (call $byte))))
      (local.set $number (i32.sub (local.get $number) (i32.const 1)))
      (br_if $next (local.get $number)))
    (local.get $value))

  (func $byte (result i32)
    (global.set $behind (i32.add (global.get $behind) (i32.const 1)))
    (i32.load8_u (i32.sub (global.get $behind) (i32.const 1)))))

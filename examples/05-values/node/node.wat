;; Write and read the node of a document: a map in DAG-CBOR with a link to its body.
;;
;;     {"body": link, "size": the bytes of the body, "title": text}
;;
;; In DAG-CBOR a map begins with its number of entries, text and bytes with their length, and the
;; shortest keys come first. A link is the tag 42 and then bytes: a zero and the binary CID.
;;
;; Memory:     0  what host calls answer
;;            16  the beginning of every node, up to the length of its link
;;            32  the key of the size        40  the key of the title
;;            64  messages
;;          1024  the node that is written or read
(module
  (import "ipld" "block_create"
    (func $block_create (param $out i32) (param $codec i64) (param $data i32) (param $length i32)
                        (result i32)))
  (import "ipld" "block_read"
    (func $block_read (param $out i32) (param $block i32) (param $offset i32) (param $to i32)
                      (param $max i32) (result i32)))
  (import "ipld" "block_stat" (func $block_stat (param $out i32) (param $block i32) (result i32)))
  (import "ipvm" "abort"
    (func $abort (param $code i32) (param $message i32) (param $length i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\a3\64body\d8\2a")
  (data (i32.const 32) "\64size")
  (data (i32.const 40) "\65title")
  (data (i32.const 64) "this is not the node of a document")
  (data (i32.const 128) "the title has more than 1000 bytes")
  (data (i32.const 192) "a title, a body and a link are needed")

  (global $raw i64 (i64.const 0x55))
  (global $dag_cbor i64 (i64.const 0x71))
  (global $at (mut i32) (i32.const 0))  ;; where the next byte is written

  ;; Write a node, and give the handle of its block.
  (func (export "write") (param $title i32) (param $link i32) (param $size i32) (result i32)
    (local $length i32)
    (global.set $at (i32.const 1024))
    (call $copy (i32.const 16) (i32.const 8))
    (local.set $length (call $size (local.get $link)))
    (call $head (i32.const 0x40) (i32.add (local.get $length) (i32.const 1)))
    (i32.store8 (global.get $at) (i32.const 0))
    (global.set $at (i32.add (global.get $at) (i32.const 1)))
    (call $append (local.get $link) (local.get $length))
    (call $copy (i32.const 32) (i32.const 5))
    (call $head (i32.const 0x00) (local.get $size))
    (call $copy (i32.const 40) (i32.const 6))
    (local.set $length (call $size (local.get $title)))
    (if (i32.gt_u (local.get $length) (i32.const 1000))
      (then (call $refuse (i32.const 128) (i32.const 34))))
    (call $head (i32.const 0x60) (local.get $length))
    (call $append (local.get $title) (local.get $length))
    (call $create (global.get $dag_cbor) (i32.const 1024)
                  (i32.sub (global.get $at) (i32.const 1024))))

  ;; Give the link to the body of a node.
  (func (export "body") (param $node i32) (result i32)
    (i64.store (i32.const 1024) (i64.const 0))
    (if (call $block_read (i32.const 0) (local.get $node) (i32.const 0) (i32.const 1024)
                          (i32.const 200))
      (then (call $refuse (i32.const 192) (i32.const 37))))
    ;; The first eight bytes are always the same; then come 0x58, the length, a zero and the CID.
    (if (i64.ne (i64.load (i32.const 1024)) (i64.load (i32.const 16)))
      (then (call $refuse (i32.const 64) (i32.const 34))))
    (call $create (global.get $raw) (i32.const 1035)
                  (i32.sub (i32.load8_u (i32.const 1033)) (i32.const 1))))

  (func $refuse (param $message i32) (param $length i32)
    (drop (call $abort (i32.const 1) (local.get $message) (local.get $length)))
    unreachable)

  (func $size (param $block i32) (result i32)
    (if (call $block_stat (i32.const 0) (local.get $block))
      (then (call $refuse (i32.const 192) (i32.const 37))))
    (i32.load (i32.const 8)))

  (func $create (param $codec i64) (param $data i32) (param $length i32) (result i32)
    (if (call $block_create (i32.const 0) (local.get $codec) (local.get $data) (local.get $length))
      (then (call $refuse (i32.const 64) (i32.const 34))))
    (i32.load (i32.const 0)))

  ;; Write the bytes of a block.
  (func $append (param $block i32) (param $length i32)
    (if (call $block_read (i32.const 0) (local.get $block) (i32.const 0) (global.get $at)
                          (local.get $length))
      (then unreachable))
    (global.set $at (i32.add (global.get $at) (local.get $length))))

  ;; Write bytes of this memory.
  (func $copy (param $from i32) (param $length i32)
    (memory.copy (global.get $at) (local.get $from) (local.get $length))
    (global.set $at (i32.add (global.get $at) (local.get $length))))

  ;; Write what begins a value: its kind, and a count in as few bytes as it takes.
  (func $head (param $kind i32) (param $count i32)
    (if (i32.lt_u (local.get $count) (i32.const 24))
      (then (call $bytes (i32.or (local.get $kind) (local.get $count)) (i32.const 1)) (return)))
    (if (i32.lt_u (local.get $count) (i32.const 0x100))
      (then
        (call $bytes (i32.or (local.get $kind) (i32.const 24)) (i32.const 1))
        (call $bytes (local.get $count) (i32.const 1))
        (return)))
    (if (i32.lt_u (local.get $count) (i32.const 0x10000))
      (then
        (call $bytes (i32.or (local.get $kind) (i32.const 25)) (i32.const 1))
        (call $bytes (local.get $count) (i32.const 2))
        (return)))
    (call $bytes (i32.or (local.get $kind) (i32.const 26)) (i32.const 1))
    (call $bytes (local.get $count) (i32.const 4)))

  ;; Write the lowest bytes of a number, the highest of them first.
  (func $bytes (param $value i32) (param $number i32)
    (loop $next
      (local.set $number (i32.sub (local.get $number) (i32.const 1)))
      (i32.store8 (global.get $at)
        (i32.shr_u (local.get $value) (i32.shl (local.get $number) (i32.const 3))))
      (global.set $at (i32.add (global.get $at) (i32.const 1)))
      (br_if $next (local.get $number)))))

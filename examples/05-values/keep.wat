;; Keep a block, and give a link to it.
;;
;; The block may have been made by any function of the invocation: a handle means the same block
;; to all of them. A link crosses between functions as a block too, which holds the CID in binary.
;;
;; Memory:     0  what host calls answer
;;            64  a CID
(module
  (import "ipld" "block_create"
    (func $block_create (param $out i32) (param $codec i64) (param $data i32) (param $length i32)
                        (result i32)))
  (import "ipld" "block_link"
    (func $block_link (param $out i32) (param $block i32) (param $hash i64) (param $hash_length i32)
                      (param $cid i32) (param $cid_max i32) (result i32)))
  (import "ipvm" "abort"
    (func $abort (param $code i32) (param $message i32) (param $length i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 256) "the block could not be kept; the code is the error number")

  (global $raw i64 (i64.const 0x55))
  (global $sha2_256 i64 (i64.const 0x12))

  (func (export "keep") (param $block i32) (result i32)
    (call $check
      (call $block_link (i32.const 0) (local.get $block) (global.get $sha2_256) (i32.const 32)
                        (i32.const 64) (i32.const 160)))
    (call $check
      (call $block_create (i32.const 0) (global.get $raw) (i32.const 64)
                          (i32.load (i32.const 0))))  ;; the length of the CID
    (i32.load (i32.const 0)))

  (func $check (param $error i32)
    (if (local.get $error)
      (then
        (drop (call $abort (local.get $error) (i32.const 256) (i32.const 57)))
        unreachable))))

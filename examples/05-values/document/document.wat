;; Make a document out of a title and a body, and read it back, with the help of two other
;; functions.
;;
;; This code never looks at the title or the body. It passes on handles: those of its own
;; arguments to the others, and what one of them made to the next.
;;
;; Memory:     0  what host calls answer
;;            64  a CID, the longest of which has 160 bytes
;;           256  messages
(module
  ;; The manifest says which function is called "node" here, as it may be swapped.
  (import "node" "write" (func $write (param $title i32) (param $link i32) (param $size i32)
                                      (result i32)))
  (import "node" "body" (func $body_link (param $node i32) (result i32)))

  ;; This name needs no entry in the manifest: it is the CID of the code, the module in keep.wat.
  (import "ipfs://bafkreib7ruadcs57hij4atapizgb2ypyxmey2mq7bfbwxj4aomaifdbsee" "keep"
    (func $keep (param $block i32) (result i32)))

  (import "ipld" "block_open" (func $block_open (param $out i32) (param $cid i32) (result i32)))
  (import "ipld" "block_read"
    (func $block_read (param $out i32) (param $block i32) (param $offset i32) (param $to i32)
                      (param $max i32) (result i32)))
  (import "ipld" "block_stat" (func $block_stat (param $out i32) (param $block i32) (result i32)))
  (import "ipvm" "abort"
    (func $abort (param $code i32) (param $message i32) (param $length i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 256) "a title and a body are needed")
  (data (i32.const 320) "the link leads nowhere; the code is the error number")

  (func (export "make") (param $title i32) (param $body i32) (result i32)
    (if (call $block_stat (i32.const 0) (local.get $body))
      (then (call $refuse (i32.const 1) (i32.const 256) (i32.const 29))))
    (call $keep
      (call $write (local.get $title) (call $keep (local.get $body)) (i32.load (i32.const 8)))))

  (func (export "body") (param $document i32) (result i32)
    (call $open (call $body_link (call $open (local.get $document)))))

  ;; Open the block that a link leads to, and give its handle.
  (func $open (param $link i32) (result i32) (local $error i32)
    (local.set $error
      (call $block_read (i32.const 0) (local.get $link) (i32.const 0) (i32.const 64)
                        (i32.const 160)))
    (if (i32.eqz (local.get $error))
      (then (local.set $error (call $block_open (i32.const 0) (i32.const 64)))))
    (if (local.get $error)
      (then (call $refuse (local.get $error) (i32.const 320) (i32.const 52))))
    (i32.load (i32.const 8)))

  (func $refuse (param $code i32) (param $message i32) (param $length i32)
    (drop (call $abort (local.get $code) (local.get $message) (local.get $length)))
    unreachable))

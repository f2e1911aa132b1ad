;; Count the words of a text that is somewhere else: a function to map with.
;;
;; It is given a link and opens it, so the text is fetched by the one who needs it.
;;
;; Memory:     0  what host calls answer
;;            64  a CID, the longest of which has 160 bytes
;;           256  message
;;         65536  the text, up to 4 MiB, as a block is never longer
(module
  (import "ipld" "block_open" (func $block_open (param $out i32) (param $cid i32) (result i32)))
  (import "ipld" "block_read"
    (func $block_read (param $out i32) (param $block i32) (param $offset i32) (param $to i32)
                      (param $max i32) (result i32)))
  (import "ipvm" "abort"
    (func $abort (param $code i32) (param $message i32) (param $length i32) (result i32)))
  (memory (export "memory") 65)
  (data (i32.const 256) "the text could not be read; the code is the error number")

  (func (export "map") (param $link i32) (result i64) (local $size i32)
    (call $read (local.get $link) (i32.const 64) (i32.const 160))
    (call $check (call $block_open (i32.const 0) (i32.const 64)))
    (local.set $size (i32.load (i32.const 12)))
    (call $read (i32.load (i32.const 8)) (i32.const 65536) (local.get $size))
    (call $count (i32.const 65536) (i32.add (i32.const 65536) (local.get $size))))

  ;; Count where a word begins: something that is no space, after a space or at the start.
  (func $count (param $at i32) (param $end i32) (result i64)
    (local $words i64) (local $in_word i32) (local $was_in_word i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $was_in_word (local.get $in_word))
        (local.set $in_word (i32.gt_u (i32.load8_u (local.get $at)) (i32.const 32)))
        (local.set $words
          (i64.add (local.get $words)
                   (i64.extend_i32_u (i32.gt_u (local.get $in_word) (local.get $was_in_word)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (local.get $words))

  (func $read (param $block i32) (param $to i32) (param $max i32)
    (call $check
      (call $block_read (i32.const 0) (local.get $block) (i32.const 0) (local.get $to)
                        (local.get $max))))

  (func $check (param $error i32)
    (if (local.get $error)
      (then
        (drop (call $abort (local.get $error) (i32.const 256) (i32.const 56)))
        unreachable))))

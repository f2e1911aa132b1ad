;; Offer a formatter that somebody else published as a function from text to text.
;;
;; That module knows nothing of blocks. It wants to be asked for room in its memory, to find the
;; source there, and to be told to format; then it says where in its memory the result is. This
;; module imports its functions and its memory, and carries text between the two worlds: host
;; calls work on the memory that is exported here, and memory.copy takes bytes from one memory to
;; the other. Nothing is given back when it is done, as the next call has fresh instances of both.
;;
;; Memory:     0  what host calls answer
;;            16  messages
;;         65536  a text on its way in or out
(module
  (import "gofmt" "memory" (memory $theirs 1))
  (import "gofmt" "alloc" (func $alloc (param $size i32) (result i32)))
  (import "gofmt" "format" (func $format (result i32)))
  (import "gofmt" "output_ptr" (func $output_ptr (result i32)))
  (import "gofmt" "output_len" (func $output_len (result i32)))
  (import "ipld" "block_create"
    (func $block_create (param $out i32) (param $codec i64) (param $data i32) (param $length i32)
                        (result i32)))
  (import "ipld" "block_read"
    (func $block_read (param $out i32) (param $block i32) (param $offset i32) (param $to i32)
                      (param $max i32) (result i32)))
  (import "ipld" "block_stat" (func $block_stat (param $out i32) (param $block i32) (result i32)))
  (import "ipvm" "abort"
    (func $abort (param $code i32) (param $message i32) (param $length i32) (result i32)))
  (memory $ours (export "memory") 1)
  (data (memory $ours) (i32.const 16) "there is no source")
  (data (memory $ours) (i32.const 48) "the text is too long")

  (func (export "format") (param $source i32) (result i32) (local $outcome i32)
    (call $take (local.get $source))
    (local.set $outcome (call $format))
    ;; 0: it was well formatted already. 1: the output is. 2: the output says what is wrong.
    (if (i32.eqz (local.get $outcome)) (then (return (local.get $source))))
    (call $fetch)
    (if (i32.eq (local.get $outcome) (i32.const 2))
      (then (call $refuse (i32.const 2) (i32.const 65536) (call $output_len))))
    (if (call $block_create (i32.const 0) (i64.const 0x55) (i32.const 65536) (call $output_len))
      (then (call $refuse (i32.const 1) (i32.const 48) (i32.const 20))))
    (i32.load $ours (i32.const 0)))

  ;; Bring the source from its block into their memory.
  (func $take (param $source i32) (local $size i32)
    (if (call $block_stat (i32.const 0) (local.get $source))
      (then (call $refuse (i32.const 1) (i32.const 16) (i32.const 18))))
    (local.set $size (i32.load $ours (i32.const 8)))
    (call $make_room (local.get $size))
    (if (call $block_read (i32.const 0) (local.get $source) (i32.const 0) (i32.const 65536)
                          (local.get $size))
      (then unreachable))
    (memory.copy $theirs $ours (call $alloc (local.get $size)) (i32.const 65536)
                 (local.get $size)))

  ;; Bring their output into our memory.
  (func $fetch
    (call $make_room (call $output_len))
    (memory.copy $ours $theirs (i32.const 65536) (call $output_ptr) (call $output_len)))

  ;; Let our memory grow until a text of that size fits behind its first 64 KiB.
  (func $make_room (param $size i32) (local $pages i32)
    (local.set $pages
      (i32.sub (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 2))
               (memory.size $ours)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then
        (if (i32.eq (memory.grow $ours (local.get $pages)) (i32.const -1))
          (then (call $refuse (i32.const 1) (i32.const 48) (i32.const 20)))))))

  (func $refuse (param $code i32) (param $message i32) (param $length i32)
    (drop (call $abort (local.get $code) (local.get $message) (local.get $length)))
    unreachable))

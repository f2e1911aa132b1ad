;; Call a function that is named by its CID while this one runs, and live with its failure.
;;
;; The called function runs in a sandbox of its own, with memory of its own and a slice of the
;; fuel. However it ends, this function goes on, and gives a word for how that was, the code of an
;; abort, and the result.
;;
;; Memory:     0  what ipvm.call answers: 32 bytes
;;            64  the CID to call, the longest of which has 160 bytes
;;           256  the handles of the arguments, 4 bytes each
;;           272  message
;;           512  five words of 16 bytes: one byte for the length, then the word
;;          1024  the name of the function, up to 1000 bytes
(module
  (import "ipld" "block_create"
    (func $block_create (param $out i32) (param $codec i64) (param $data i32) (param $length i32)
                        (result i32)))
  (import "ipld" "block_read"
    (func $block_read (param $out i32) (param $block i32) (param $offset i32) (param $to i32)
                      (param $max i32) (result i32)))
  (import "ipvm" "abort"
    (func $abort (param $code i32) (param $message i32) (param $length i32) (result i32)))
  (import "ipvm" "call"
    (func $call (param $out i32) (param $cid i32) (param $name i32) (param $name_length i32)
                (param $arguments i32) (param $count i32) (param $fuel i64) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 272) "there was nothing to call; the code is the error number")
  (data (i32.const 512) "\02ok")
  (data (i32.const 528) "\05abort")
  (data (i32.const 544) "\04trap")
  (data (i32.const 560) "\0bout-of-fuel")
  (data (i32.const 576) "\0einvalid-result")

  (func (export "attempt") (param $task i32) (param $name i32) (param $argument i32)
    (param $fuel i64) (result i32 i32 i32)
    (local $name_length i32) (local $exit i32) (local $code i32) (local $value i32)
    (drop (call $read (local.get $task) (i32.const 64) (i32.const 160)))
    (local.set $name_length (call $read (local.get $name) (i32.const 1024) (i32.const 1000)))
    (i32.store (i32.const 256) (local.get $argument))
    ;; An error number says that nothing was called: no such CID, no such function, wrong arguments.
    (call $check
      (call $call (i32.const 0) (i32.const 64) (i32.const 1024) (local.get $name_length)
                  (i32.const 256) (i32.const 1) (local.get $fuel)))
    ;; It was called. How it ended stands in the answer.
    (local.set $exit (i32.load (i32.const 0)))
    (local.set $code (i32.load (i32.const 4)))
    (local.set $value (i32.load (i32.const 16)))
    (call $word (local.get $exit))
    (local.get $code)
    (local.get $value))

  ;; Read a block to an address, as far as there is room, and give the number of its bytes.
  (func $read (param $block i32) (param $to i32) (param $max i32) (result i32)
    (call $check
      (call $block_read (i32.const 0) (local.get $block) (i32.const 0) (local.get $to)
                        (local.get $max)))
    ;; The answer is the bytes that are left, and negative where there were fewer than asked for.
    (if (i32.gt_s (i32.load (i32.const 0)) (i32.const 0)) (then (return (local.get $max))))
    (i32.add (local.get $max) (i32.load (i32.const 0))))

  ;; Give the word for an exit as a block of text.
  (func $word (param $exit i32) (result i32) (local $at i32)
    (local.set $at (i32.add (i32.const 512) (i32.mul (local.get $exit) (i32.const 16))))
    (call $check
      (call $block_create (i32.const 0) (i64.const 0x55) (i32.add (local.get $at) (i32.const 1))
                          (i32.load8_u (local.get $at))))
    (i32.load (i32.const 0)))

  (func $check (param $error i32)
    (if (local.get $error)
      (then
        (drop (call $abort (local.get $error) (i32.const 272) (i32.const 55)))
        unreachable))))

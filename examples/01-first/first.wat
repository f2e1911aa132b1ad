;; Three first functions: two that take numbers, and one that takes text.
;;
;; A number comes and goes as a number of WebAssembly. Text comes as the handle of a block: a
;; small number by which this invocation knows some bytes. They are copied into the memory of this
;; module to be looked at, and text is given back by making a new block and returning its handle.
;;
;; Memory:     0  what host calls answer
;;            16  messages
;;          1024  the greeting, with room for a name behind it
(module
  ;; A host call returns an error number, and 0 when all went well. What else it has to say it
  ;; writes to the address in its first parameter.
  (import "ipld" "block_create"
    (func $block_create (param $out i32) (param $codec i64) (param $data i32) (param $length i32)
                        (result i32)))
  (import "ipld" "block_read"
    (func $block_read (param $out i32) (param $block i32) (param $offset i32) (param $to i32)
                      (param $max i32) (result i32)))
  (import "ipvm" "abort"
    (func $abort (param $code i32) (param $message i32) (param $length i32) (result i32)))

  ;; Host calls work on the memory that is exported by this name.
  (memory (export "memory") 1)
  (data (i32.const 16) "expected a number from 0 to 92")
  (data (i32.const 64) "the name has more than 1000 bytes")
  (data (i32.const 128) "there is no name")
  (data (i32.const 1024) "Hello, ")

  (global $raw i64 (i64.const 0x55))  ;; the codec of a block that is just bytes

  ;; End the invocation with a message. Nothing runs after it.
  (func $refuse (param $message i32) (param $length i32)
    (drop (call $abort (i32.const 1) (local.get $message) (local.get $length)))
    unreachable)

  (func (export "add") (param $a i32) (param $b i32) (result i32)
    (i32.add (local.get $a) (local.get $b)))

  ;; Fibonacci numbers: 0, 1, 1, 2, 3, 5, … The 93rd does not fit into 64 bits.
  (func (export "fib") (param $n i32) (result i64)
    (local $this i64) (local $next i64) (local $sum i64)
    (if (i32.gt_u (local.get $n) (i32.const 92))
      (then (call $refuse (i32.const 16) (i32.const 30))))
    (local.set $next (i64.const 1))
    (block $done
      (loop $step
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $sum (i64.add (local.get $this) (local.get $next)))
        (local.set $this (local.get $next))
        (local.set $next (local.get $sum))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $step)))
    (local.get $this))

  (func (export "greet") (param $name i32) (result i32) (local $length i32)
    (local.set $length (call $read_name (local.get $name)))
    (i32.store8 (i32.add (i32.const 1031) (local.get $length)) (i32.const 33))  ;; "!"
    (call $text (i32.const 1024) (i32.add (i32.const 8) (local.get $length))))

  ;; Read a name to the place behind "Hello, ", and give the number of its bytes.
  (func $read_name (param $name i32) (result i32)
    (if (call $block_read (i32.const 0) (local.get $name) (i32.const 0) (i32.const 1031)
                          (i32.const 1000))
      (then (call $refuse (i32.const 128) (i32.const 16))))
    ;; The answer is by how much the block is longer than what was asked for.
    (if (i32.gt_s (i32.load (i32.const 0)) (i32.const 0))
      (then (call $refuse (i32.const 64) (i32.const 33))))
    (i32.add (i32.const 1000) (i32.load (i32.const 0))))

  ;; Make a block of text, and give its handle.
  (func $text (param $at i32) (param $length i32) (result i32)
    (if (call $block_create (i32.const 0) (global.get $raw) (local.get $at) (local.get $length))
      (then unreachable))
    (i32.load (i32.const 0))))

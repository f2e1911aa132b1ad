;; Evaluate a polynomial, with the arithmetic of another function.
;;
;; The module named "math" below is not part of this one. The manifest says which it is, by a CID,
;; and the two are linked inside the engine: calling $multiply_add costs what calling $number
;; costs.
;;
;; The coefficients come as a block: a list of numbers in DAG-CBOR. There each thing begins with a
;; byte that holds its kind in the upper three bits and a count in the lower five:
;;
;;     0x00…  an integer from 0: the count is its value
;;     0x20…  a negative integer: -1 minus the count
;;     0x80…  a list: the count says how many things follow
;;     0xfb   a float: eight bytes follow, the highest first
;;
;; A count up to 23 stands in the five bits; 24, 25, 26 and 27 there mean that it follows in 1, 2,
;; 4 or 8 bytes. The host has checked that the block is DAG-CBOR, so what a head promises does
;; follow.
;;
;; Memory:     0  what host calls answer
;;            16  messages
;;          1024  the coefficients
(module
  (import "math" "multiply_add" (func $multiply_add (param f64 f64 f64) (result f64)))
  (import "ipld" "block_stat" (func $block_stat (param $out i32) (param $block i32) (result i32)))
  (import "ipld" "block_read"
    (func $block_read (param $out i32) (param $block i32) (param $offset i32) (param $to i32)
                      (param $max i32) (result i32)))
  (import "ipvm" "abort"
    (func $abort (param $code i32) (param $message i32) (param $length i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "expected a list of numbers, the constant first")
  (data (i32.const 64) "the list has more than 64000 bytes")

  (global $at (mut i32) (i32.const 1024))  ;; address of the next byte to read

  (func $refuse (param $message i32) (param $length i32)
    (drop (call $abort (i32.const 1) (local.get $message) (local.get $length)))
    unreachable)
  (func $refuse_kind (call $refuse (i32.const 16) (i32.const 46)))
  (func $refuse_size (call $refuse (i32.const 64) (i32.const 34)))

  (func (export "eval") (param $coefficients i32) (param $x f64) (result f64)
    (local $count i64) (local $power f64) (local $sum f64)
    (call $load (local.get $coefficients))
    (local.set $count (call $list))
    (local.set $power (f64.const 1))
    (block $done
      (loop $next
        (br_if $done (i64.eqz (local.get $count)))
        (local.set $sum
          (call $multiply_add (call $number) (local.get $power) (local.get $sum)))
        (local.set $power (f64.mul (local.get $power) (local.get $x)))
        (local.set $count (i64.sub (local.get $count) (i64.const 1)))
        (br $next)))
    (local.get $sum))

  ;; Read the block into memory. Null comes as the handle 0, of which there is no block.
  (func $load (param $block i32) (local $size i32)
    (if (call $block_stat (i32.const 0) (local.get $block)) (then (call $refuse_kind)))
    (if (i64.ne (i64.load (i32.const 0)) (i64.const 0x71)) (then (call $refuse_kind)))  ;; DAG-CBOR
    (local.set $size (i32.load (i32.const 8)))
    (if (i32.gt_u (local.get $size) (i32.const 64000)) (then (call $refuse_size)))
    (if (call $block_read (i32.const 0) (local.get $block) (i32.const 0) (i32.const 1024)
                          (local.get $size))
      (then unreachable))
    (global.set $at (i32.const 1024)))

  ;; Read the head of a list, and give the number of its items.
  (func $list (result i64) (local $head i32)
    (local.set $head (call $byte))
    (if (i32.ne (call $kind (local.get $head)) (i32.const 4)) (then (call $refuse_kind)))
    (call $count (local.get $head)))

  ;; Read an integer or a float.
  (func $number (result f64) (local $head i32)
    (local.set $head (call $byte))
    (if (i32.eq (local.get $head) (i32.const 0xfb))
      (then (return (f64.reinterpret_i64 (call $bytes (i32.const 8))))))
    (if (i32.eq (call $kind (local.get $head)) (i32.const 0))
      (then (return (f64.convert_i64_u (call $count (local.get $head))))))
    (if (i32.eq (call $kind (local.get $head)) (i32.const 1))
      (then (return (f64.sub (f64.const -1) (f64.convert_i64_u (call $count (local.get $head)))))))
    (call $refuse_kind)
    unreachable)

  (func $kind (param $head i32) (result i32)
    (i32.shr_u (local.get $head) (i32.const 5)))

  ;; Give the count of a head, most of which may stand behind it.
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
    (global.set $at (i32.add (global.get $at) (i32.const 1)))
    (i32.load8_u (i32.sub (global.get $at) (i32.const 1)))))

;; Evaluate a polynomial by Horner's rule, with the arithmetic of another function.
;;
;; The coefficients come as a block: a DAG-CBOR list of up to 1023 numbers, each of them nine bytes
;; (0xfb and a big-endian f64), after a head of one byte (up to 23 numbers), two or three.
(module
  (import "math" "multiply_add" (func $multiply_add (param f64 f64 f64) (result f64)))
  (import "ipld" "block_stat" (func $block_stat (param i32 i32) (result i32)))
  (import "ipld" "block_read" (func $block_read (param i32 i32 i32 i32 i32) (result i32)))
  (import "ipvm" "abort" (func $abort (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "expected a list of floats, at most 1023 of them")

  (func $refuse
    (drop (call $abort (i32.const 1) (i32.const 64) (i32.const 47)))
    unreachable)

  (func $check (param $error i32)
    (if (local.get $error) (then (call $refuse))))

  ;; Read the block to address 1024, and give its size.
  (func $load (param $block i32) (result i32) (local $size i32)
    (call $check (call $block_stat (i32.const 0) (local.get $block)))
    (local.set $size (i32.load (i32.const 8)))
    (if (i32.gt_u (local.get $size) (i32.const 9210)) (then (call $refuse)))
    (call $check
      (call $block_read (i32.const 16) (local.get $block) (i32.const 0) (i32.const 1024)
                        (local.get $size)))
    (local.get $size))

  ;; Give the size of the head of the list: 1, 2 or 3 bytes.
  (func $head (result i32) (local $first i32)
    (local.set $first (i32.load8_u (i32.const 1024)))
    (if (i32.ne (i32.and (local.get $first) (i32.const 0xe0)) (i32.const 0x80))
      (then (call $refuse)))
    (local.set $first (i32.and (local.get $first) (i32.const 0x1f)))
    (if (i32.lt_u (local.get $first) (i32.const 24)) (then (return (i32.const 1))))
    (i32.sub (local.get $first) (i32.const 22)))

  ;; Read the number at an address.
  (func $number (param $at i32) (result f64) (local $bits i64) (local $i i32)
    (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 0xfb)) (then (call $refuse)))
    (loop $next
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (local.set $bits
        (i64.or (i64.shl (local.get $bits) (i64.const 8))
                (i64.load8_u (i32.add (local.get $at) (local.get $i)))))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 8))))
    (f64.reinterpret_i64 (local.get $bits)))

  (func (export "eval") (param $coefficients i32) (param $x f64) (result f64)
    (local $at i32) (local $start i32) (local $sum f64)
    (if (i32.eqz (local.get $coefficients)) (then (call $refuse)))
    (local.set $at (i32.add (i32.const 1024) (call $load (local.get $coefficients))))
    (local.set $start (i32.add (i32.const 1024) (call $head)))
    (if (i32.rem_u (i32.sub (local.get $at) (local.get $start)) (i32.const 9))
      (then (call $refuse)))
    (block $done
      (loop $next
        (br_if $done (i32.le_u (local.get $at) (local.get $start)))
        (local.set $at (i32.sub (local.get $at) (i32.const 9)))
        (local.set $sum
          (call $multiply_add (local.get $sum) (local.get $x) (call $number (local.get $at))))
        (br $next)))
    (local.get $sum)))

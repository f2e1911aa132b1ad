;; What the binding of a WASI guest is made of, besides a function for each call (see binding.py).
;;
;; It stands between the guest's memory and the mail, a memory that the host reads and writes. Every
;; pointer of a guest is checked here. The layout of the mail:
;;
;;          0  request: eight u64 words
;;         64  reply: u64 number of bytes at 4096, u64 number of strings
;;         80  u64 nanoseconds that have passed for the guest
;;       4096  bytes that the guest gives or gets, 16 MiB
  ;; Whether the guest's memory lacks a part of [at, at + length).
  (func $outside (param $at i32) (param $length i32) (result i32)
    (i64.gt_u
      (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $length)))
      (i64.shl (i64.extend_i32_u (memory.size $g)) (i64.const 16))))

  (func $least (param $a i32) (param $b i32) (result i32)
    (select (local.get $a) (local.get $b) (i32.lt_u (local.get $a) (local.get $b))))

  ;; Ask the host, and wait if it has to: 65535 says so. Both ways take the same fuel, so what a
  ;; program uses does not depend on what the host has in memory.
  (func $ask (param $operation i32) (result i32) (local $errno i32)
    (local.set $errno (call $now (local.get $operation)))
    (if (result i32) (i32.eq (local.get $errno) (i32.const 65535))
      (then (call $wait (local.get $operation)))
      (else (call $at_once (local.get $errno)))))

  ;; Gives what it gets, by as many instructions as the kernel's `wait_for`.
  (func $at_once (param $errno i32) (result i32)
    (i32.or (local.get $errno) (i32.const 0)))

  ;; Bytes of the answer.
  (func $given (result i32) (i32.load $k (i32.const 64)))

  ;; Whether buffers cannot be used: errno, or 0.
  (func $unusable (param $at i32) (param $count i32) (result i32)
    (if (i32.gt_u (local.get $count) (i32.const 1024)) (then (return (i32.const 28))))
    (if (call $outside (local.get $at) (i32.shl (local.get $count) (i32.const 3)))
      (then (return (i32.const 21))))
    (loop $next
      (if (i32.eqz (local.get $count)) (then (return (i32.const 0))))
      (if (call $outside (i32.load $g (local.get $at)) (i32.load $g offset=4 (local.get $at)))
        (then (return (i32.const 21))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next))
    (unreachable))

  ;; Move up to that many bytes between buffers and the mail: 0 takes them, 1 gives them, 2 neither.
  ;; Gives their number.
  (func $move (param $at i32) (param $count i32) (param $most i32) (param $way i32) (result i32)
    (local $done i32) (local $length i32)
    (loop $next
      (if (i32.eqz (local.get $count)) (then (return (local.get $done))))
      (local.set $length
        (call $least (i32.load $g offset=4 (local.get $at))
          (i32.sub (local.get $most) (local.get $done))))
      (if (i32.eqz (local.get $way))
        (then (memory.copy $k $g (i32.add (i32.const 4096) (local.get $done))
          (i32.load $g (local.get $at)) (local.get $length))))
      (if (i32.eq (local.get $way) (i32.const 1))
        (then (memory.copy $g $k (i32.load $g (local.get $at))
          (i32.add (i32.const 4096) (local.get $done)) (local.get $length))))
      (local.set $done (i32.add (local.get $done) (local.get $length)))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next))
    (unreachable))

  ;; Write strings, and where each begins. The answer has the offsets, as many as the strings, first;
  ;; the first string begins where they end. Gives errno.
  (func $strings (param $pointers i32) (param $to i32) (param $count i32) (result i32)
    (local $n i32) (local $size i32)
    (local.set $size (i32.sub (call $given) (i32.shl (local.get $count) (i32.const 2))))
    (if (call $outside (local.get $pointers) (i32.shl (local.get $count) (i32.const 2)))
      (then (return (i32.const 21))))
    (if (call $outside (local.get $to) (local.get $size)) (then (return (i32.const 21))))
    (memory.copy $g $k (local.get $to)
      (i32.add (i32.const 4096) (i32.shl (local.get $count) (i32.const 2))) (local.get $size))
    (loop $next
      (if (i32.eq (local.get $n) (local.get $count)) (then (return (i32.const 0))))
      (i32.store $g
        (i32.add (local.get $pointers) (i32.shl (local.get $n) (i32.const 2)))
        (i32.add (local.get $to)
          (i32.load $k (i32.add (i32.const 4096) (i32.shl (local.get $n) (i32.const 2))))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br $next))
    (unreachable))

  ;; Each look at a clock takes a microsecond of the guest's time.
  (func $clock_time_get (param $clock i32) (param $precision i64) (param $out i32) (result i32)
    (if (call $outside (local.get $out) (i32.const 8)) (then (return (i32.const 21))))
    (if (i32.ge_u (local.get $clock) (i32.const 4)) (then (return (i32.const 28))))
    (i64.store $k (i32.const 80) (i64.add (i64.load $k (i32.const 80)) (i64.const 1000)))
    (i64.store $g (local.get $out)
      (i64.add (i64.load $k (i32.const 80))
        (select (i64.const 0) (i64.const 946684800000000000) (local.get $clock))))
    (i32.const 0))

  (func $sched_yield (result i32) (i32.const 0))

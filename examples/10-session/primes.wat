;; Tell which numbers below a million are prime, by a table that is made once, at the beginning.
;;
;; To make the table takes thousands of times as long as to look into it. A function that is called
;; on its own makes it each time; those of a session find it made.
;;
;; Memory:     0  a message
;;            64  the sieve: one byte for each number, 1 where it is no prime
(module
  (import "ipvm" "abort"
    (func $abort (param $code i32) (param $message i32) (param $length i32) (result i32)))

  (memory (export "memory") 16)
  (data (i32.const 0) "expected a number from 0 to 999999")

  (global $end i32 (i32.const 1000000))  ;; the first number that is not in the table
  (global $asked (mut i32) (i32.const 0))

  (func $cross_out (param $number i32)
    (i32.store8 offset=64 (local.get $number) (i32.const 1)))

  (func $is_crossed_out (param $number i32) (result i32)
    (i32.load8_u offset=64 (local.get $number)))

  ;; The sieve of Eratosthenes: of each number that nobody has crossed out, cross out the multiples.
  (func $fill (local $number i32) (local $multiple i32)
    (call $cross_out (i32.const 0))
    (call $cross_out (i32.const 1))
    (local.set $number (i32.const 2))
    (loop $next
      (if (i32.eqz (call $is_crossed_out (local.get $number)))
        (then
          (local.set $multiple (i32.mul (local.get $number) (local.get $number)))
          (loop $multiples
            (if (i32.lt_u (local.get $multiple) (global.get $end))
              (then
                (call $cross_out (local.get $multiple))
                (local.set $multiple (i32.add (local.get $multiple) (local.get $number)))
                (br $multiples))))))
      (local.set $number (i32.add (local.get $number) (i32.const 1)))
      (br_if $next
        (i32.lt_u (i32.mul (local.get $number) (local.get $number)) (global.get $end)))))

  ;; What is to run once, before anything else.
  (start $fill)

  (func (export "is_prime") (param $number i32) (result i32)
    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
    (if (i32.ge_u (local.get $number) (global.get $end))
      (then (drop (call $abort (i32.const 1) (i32.const 0) (i32.const 34)))))
    (i32.eqz (call $is_crossed_out (local.get $number))))

  (func (export "asked") (result i32) (global.get $asked)))

;; A guest that makes the host calls that its script asks for, whatever they come to.
;;
;; A script is a block of records of 64 bytes: which step, how often, six i32 and two i64. What a step
;; may have written, from 64 on, goes into the sum that `play` gives, with the error number of each.
(module
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (import "ipld" "block_create" (func $create (param i32 i64 i32 i32) (result i32)))
  (import "ipld" "block_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
  (import "ipld" "block_stat" (func $stat (param i32 i32) (result i32)))
  (import "ipld" "block_link" (func $link (param i32 i32 i64 i32 i32 i32) (result i32)))
  (import "ipvm" "call" (func $call (param i32 i32 i32 i32 i32 i32 i64) (result i32)))
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (import "ipvm" "abort" (func $abort (param i32 i32 i32) (result i32)))
  (import "ipvm" "fuel" (func $fuel (param i32) (result i32)))
  (import "ipvm" "self" (func $self (param i32 i32 i32) (result i32)))
  (import "ipvm" "hash" (func $hash (param i32 i64 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 80)
  (global $sum (mut i64) (i64.const 0))
  (global $at (mut i32) (i32.const 0))

  (func $add (param $word i64)
    (global.set $sum
      (i64.add (i64.mul (global.get $sum) (i64.const 1000003)) (local.get $word))))
  (func $a (param $n i32) (result i32)
    (i32.load offset=8 (i32.add (global.get $at) (i32.shl (local.get $n) (i32.const 2)))))
  (func $long (param $n i32) (result i64)
    (i64.load offset=32 (i32.add (global.get $at) (i32.shl (local.get $n) (i32.const 3)))))

  (func $spin (param $times i32) (result i32)
    (block $done (loop $again
      (br_if $done (i32.eqz (local.get $times)))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br $again)))
    (i32.const 0))
  (func $dive (param $depth i32) (result i32)
    (if (i32.eqz (local.get $depth)) (then (return (i32.const 0))))
    (i32.add (i32.const 1) (call $dive (i32.sub (local.get $depth) (i32.const 1)))))
  (func $fail (result i32) (unreachable))
  (func $fill (param $to i32) (param $byte i32) (param $size i32) (result i32)
    (memory.fill (local.get $to) (local.get $byte) (local.get $size)) (i32.const 0))

  (func $step (param $op i32) (result i32)
    (block $fill (block $dive (block $fail (block $spin (block $grow (block $hash
    (block $self (block $fuel (block $abort (block $log (block $call (block $link
    (block $stat (block $read (block $create (block $open
      (br_table $open $create $read $stat $link $call $log $abort $fuel $self $hash
        $grow $spin $fail $dive $fill (local.get $op)))
      (return (call $open (i32.const 64) (call $a (i32.const 0)))))
      (return (call $create (i32.const 64) (call $long (i32.const 0))
        (call $a (i32.const 0)) (call $a (i32.const 1)))))
      (return (call $read (i32.const 64) (call $a (i32.const 0)) (call $a (i32.const 1))
        (i32.const 80) (call $a (i32.const 2)))))
      (return (call $stat (i32.const 64) (call $a (i32.const 0)))))
      (return (call $link (i32.const 64) (call $a (i32.const 0)) (call $long (i32.const 0))
        (call $a (i32.const 1)) (call $a (i32.const 2)) (call $a (i32.const 3)))))
      (return (call $call (i32.const 64) (call $a (i32.const 0)) (call $a (i32.const 1))
        (call $a (i32.const 2)) (call $a (i32.const 3)) (call $a (i32.const 4))
        (call $long (i32.const 0)))))
      (return (call $log (call $a (i32.const 0)) (call $a (i32.const 1)))))
      (return (call $abort (call $a (i32.const 0)) (call $a (i32.const 1)) (call $a (i32.const 2)))))
      (return (call $fuel (i32.const 64))))
      (return (call $self (i32.const 64) (i32.const 80) (call $a (i32.const 0)))))
      (return (call $hash (i32.const 64) (call $long (i32.const 0)) (call $a (i32.const 0))
        (call $a (i32.const 1)) (i32.const 80) (call $a (i32.const 2)))))
      (return (memory.grow (call $a (i32.const 0)))))
      (return (call $spin (call $a (i32.const 0)))))
      (return (call $fail)))
      (return (call $dive (call $a (i32.const 0)))))
    (call $fill (call $a (i32.const 0)) (call $a (i32.const 1)) (call $a (i32.const 2))))

  (func $play (export "play") (param $script i32) (result i64) (local $end i32) (local $times i32)
    (local $n i32)
    (if (call $stat (i32.const 64) (local.get $script)) (then (unreachable)))
    (local.set $end (i32.add (i32.const 4096) (i32.load (i32.const 72))))
    (if (call $read (i32.const 64) (local.get $script) (i32.const 0) (i32.const 4096)
        (i32.const 1000000)) (then (unreachable)))
    (local.set $end (i32.load (i32.const 4096)))
    (global.set $at (i32.const 4160))
    (block $done (loop $next
      (br_if $done (i32.ge_u (global.get $at) (local.get $end)))
      (local.set $times (i32.load offset=4 (global.get $at)))
      (loop $again
        (call $add (i64.extend_i32_s (call $step (i32.load (global.get $at)))))
        (local.set $n (i32.const 64))
        (loop $word
          (call $add (i64.load (local.get $n)))
          (br_if $word (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 8)))
            (i32.const 160))))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (i32.gt_s (local.get $times) (i32.const 0))))
      (global.set $at (i32.add (global.get $at) (i32.const 64)))
      (br $next)))
    (call $add (i64.extend_i32_u (memory.size)))
    (global.get $sum))

  ;; Play, and give the block whose handle stands at 64.
  (func (export "give") (param $script i32) (result i32)
    (drop (call $play (local.get $script)))
    (i32.load (i32.const 64))))

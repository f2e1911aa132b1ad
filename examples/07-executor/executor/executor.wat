;; Run a function over a list of links, and another over the list of what came of that.
;;
;; Both are given by their CIDs, so this executor knows neither. Each call has a sandbox of its
;; own; what it returns is a block in DAG-CBOR, and such blocks one after the other are the items
;; of a list.
;;
;; Memory:     0  what host calls answer, up to 32 bytes
;;            32  the handle of the one argument of a call
;;            64  a CID, the longest of which has 160 bytes
;;           256  names and messages
;;          1024  room for the head of the list of results, and then the results
(module
  (import "list" "open" (func $open (param $list i32) (result i32 i32)))
  (import "list" "link" (func $link (param $list i32) (param $at i32) (result i32 i32)))
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
  (memory (export "memory") 65)  ;; 4 MiB, which is the longest block, and some more
  (data (i32.const 256) "map")
  (data (i32.const 272) "reduce")
  (data (i32.const 288) "a host call failed; the code is its error number")
  (data (i32.const 352)
    "a call failed: the code is 1 for an abort, 2 for a trap, 3 for out of fuel")
  (data (i32.const 480) "a result of map is bytes, and no item of a list")
  (data (i32.const 544) "the results do not fit into a block")

  (global $end (mut i32) (i32.const 1029))  ;; address behind the last result

  (func (export "run") (param $inputs i32) (param $map i32) (param $reduce i32) (result i32)
    (local $count i32) (local $left i32) (local $at i32) (local $input i32)
    (call $open (local.get $inputs))
    (local.set $at)    ;; the last result is taken first
    (local.set $count)
    (local.set $left (local.get $count))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (call $link (local.get $inputs) (local.get $at))
        (local.set $at)
        (local.set $input)
        (call $append
          (call $call_link (local.get $map) (i32.const 256) (i32.const 3) (local.get $input)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (call $call_link (local.get $reduce) (i32.const 272) (i32.const 6)
               (call $results (local.get $count))))

  ;; Call a function by its link with one argument, and give its result.
  (func $call_link (param $link i32) (param $name i32) (param $name_length i32)
                   (param $argument i32) (result i32)
    (call $read (local.get $link) (i32.const 64) (i32.const 160))
    (i32.store (i32.const 32) (local.get $argument))
    (call $check
      (call $call (i32.const 0) (i32.const 64) (local.get $name) (local.get $name_length)
                  (i32.const 32) (i32.const 1) (i64.const 0)))
    (if (i32.load (i32.const 0))
      (then (call $refuse (i32.load (i32.const 0)) (i32.const 352) (i32.const 74))))
    (i32.load (i32.const 16)))

  ;; Put the result of the last call behind the others; its codec and size stand in the answer.
  (func $append (param $result i32) (local $size i32)
    (local.set $size (i32.load (i32.const 20)))
    (if (i64.ne (i64.load (i32.const 8)) (i64.const 0x71))
      (then (call $refuse (i32.const 1) (i32.const 480) (i32.const 47))))
    (if (i32.gt_u (i32.add (global.get $end) (local.get $size)) (i32.const 4194304))
      (then (call $refuse (i32.const 1) (i32.const 544) (i32.const 35))))
    (call $read (local.get $result) (global.get $end) (local.get $size))
    (global.set $end (i32.add (global.get $end) (local.get $size))))

  ;; Make the list of all results. Its head takes as few bytes as it can, right before the first.
  (func $results (param $count i32) (result i32) (local $start i32)
    (local.set $start (call $head (local.get $count)))
    (call $check
      (call $block_create (i32.const 0) (i64.const 0x71) (local.get $start)
                          (i32.sub (global.get $end) (local.get $start))))
    (i32.load (i32.const 0)))

  ;; Write the head of a list before the first result, and give its address.
  (func $head (param $count i32) (result i32)
    (if (i32.lt_u (local.get $count) (i32.const 24))
      (then
        (i32.store8 (i32.const 1028) (i32.or (i32.const 0x80) (local.get $count)))
        (return (i32.const 1028))))
    (i32.store8 (i32.const 1028) (local.get $count))
    (if (i32.lt_u (local.get $count) (i32.const 0x100))
      (then
        (i32.store8 (i32.const 1027) (i32.const 0x98))
        (return (i32.const 1027))))
    (i32.store8 (i32.const 1027) (i32.shr_u (local.get $count) (i32.const 8)))
    (if (i32.lt_u (local.get $count) (i32.const 0x10000))
      (then
        (i32.store8 (i32.const 1026) (i32.const 0x99))
        (return (i32.const 1026))))
    (i32.store8 (i32.const 1026) (i32.shr_u (local.get $count) (i32.const 16)))
    (i32.store8 (i32.const 1025) (i32.shr_u (local.get $count) (i32.const 24)))
    (i32.store8 (i32.const 1024) (i32.const 0x9a))
    (i32.const 1024))

  (func $read (param $block i32) (param $to i32) (param $max i32)
    (call $check
      (call $block_read (i32.const 0) (local.get $block) (i32.const 0) (local.get $to)
                        (local.get $max))))

  (func $check (param $error i32)
    (if (local.get $error)
      (then (call $refuse (local.get $error) (i32.const 288) (i32.const 48)))))

  (func $refuse (param $code i32) (param $message i32) (param $length i32)
    (drop (call $abort (local.get $code) (local.get $message) (local.get $length)))
    unreachable))

;; The binding of one guest: the host calls, between the guest's memory and the kernel's.
;;
;; It is instantiated after the guest, whose imports lead to a stub until then, and puts its functions
;; into the stub's table. Each call checks what the guest gave, moves bytes from memory to memory, and
;; returns an error number; only what has to leave the sandbox goes on to the host. The layout of the
;; kernel's memory stands in kernel.wat, the calls in spec/host-interface.md.
(module
  (import "kernel" "memory" (memory $k 256 16384))
  (import "host" "now" (func $now (param i32) (result i32)))
  (import "kernel" "wait_for" (func $wait (param i32) (result i32)))
  (import "guest" "memory" (memory $g 0))
  (import "guest" "number" (global $guest i32))
  (import "stub" "table" (table $stub 11 11 funcref))

  (elem (table $stub) (i32.const 0) func
    $block_open $block_create $block_read $block_stat $block_link
    $call $log $abort $fuel $self $hash)

  ;; Whether the guest's memory lacks a part of [at, at + length).
  (func $outside (param $at i32) (param $length i32) (result i32)
    (i64.gt_u
      (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $length)))
      (i64.shl (i64.extend_i32_u (memory.size $g)) (i64.const 16))))

  ;; Write word n of the request.
  (func $request (param $n i32) (param $word i64)
    (i64.store $k (i32.shl (local.get $n) (i32.const 3)) (local.get $word)))
  (func $request32 (param $n i32) (param $word i32)
    (call $request (local.get $n) (i64.extend_i32_u (local.get $word))))

  (func $ask_now (param $operation i32) (result i32)
    (call $request32 (i32.const 7) (global.get $guest))
    (call $now (local.get $operation)))
  (func $ask_and_wait (param $operation i32) (result i32)
    (call $request32 (i32.const 7) (global.get $guest))
    (call $wait (local.get $operation)))

  ;; Where the table entry of a handle stands.
  (func $slot (param $id i32) (result i32)
    (i32.add (i32.shl (local.get $id) (i32.const 4))
      (select (i32.const 2800) (i32.const 1056964608) (i32.le_u (local.get $id) (i32.const 80)))))

  ;; The table entry of a handle, or 0 where there is no such block.
  (func $entry (param $id i32) (result i32)
    (if (i32.eqz (local.get $id)) (then (return (i32.const 0))))
    (if (i32.gt_u (local.get $id) (i32.load $k (i32.const 128))) (then (return (i32.const 0))))
    (call $slot (local.get $id)))

  ;; Where a block of that length would go, or 0 where there is no room.
  (func $room (param $length i32) (result i32) (local $at i32)
    (local.set $at (i32.load $k (i32.const 132)))
    (if (i32.or
          (i32.ge_u (i32.load $k (i32.const 128)) (i32.load $k (i32.const 140)))
          (i32.lt_u (i32.sub (i32.load $k (i32.const 136)) (local.get $at)) (local.get $length)))
      (then
        ;; A kernel for calls that do not wait is small: this one is begun again with a large one.
        (if (i32.load $k (i32.const 144)) (then (drop (call $wait (i32.const 0)))))
        (return (i32.const 0))))
    (local.get $at))

  ;; Copy a CID that begins at an address of the guest: up to 160 bytes, or as far as its memory goes.
  ;; Gives the number of bytes, 0 where the address is outside.
  (func $take_cid (param $cid i32) (result i32) (local $length i64)
    (local.set $length
      (i64.sub (i64.shl (i64.extend_i32_u (memory.size $g)) (i64.const 16))
               (i64.extend_i32_u (local.get $cid))))
    (if (i64.le_s (local.get $length) (i64.const 0)) (then (return (i32.const 0))))
    (if (i64.gt_u (local.get $length) (i64.const 160)) (then (local.set $length (i64.const 160))))
    (memory.copy $k $g (i32.const 256) (local.get $cid) (i32.wrap_i64 (local.get $length)))
    (i32.wrap_i64 (local.get $length)))

  ;; Give the guest the bytes that the host left at 512, whose length is word 0 of the reply.
  (func $give_bytes (param $out i32) (param $to i32) (param $max i32) (result i32) (local $n i32)
    (local.set $n (i32.load $k (i32.const 64)))
    (if (i32.gt_u (local.get $n) (local.get $max)) (then (return (i32.const 12))))
    (memory.copy $g $k (local.get $to) (i32.const 512) (local.get $n))
    (i32.store $g (local.get $out) (local.get $n))
    (i32.const 0))

  (func $block_open (param $out i32) (param $cid i32) (result i32)
    (local $length i32) (local $error i32)
    (if (call $outside (local.get $out) (i32.const 16)) (then (return (i32.const 1))))
    (local.set $length (call $take_cid (local.get $cid)))
    (if (i32.eqz (local.get $length)) (then (return (i32.const 1))))
    (call $request32 (i32.const 0) (local.get $length))
    (local.set $error (call $ask_and_wait (i32.const 16)))
    (if (local.get $error) (then (return (local.get $error))))
    (i64.store $g align=1 (local.get $out) (i64.load $k (i32.const 64)))
    (i64.store $g offset=8 align=1 (local.get $out) (i64.load $k (i32.const 72)))
    (i32.const 0))

  (func $block_create (param $out i32) (param $codec i64) (param $data i32) (param $length i32)
    (result i32) (local $at i32) (local $id i32) (local $entry i32) (local $error i32)
    (if (call $outside (local.get $out) (i32.const 4)) (then (return (i32.const 1))))
    (if (call $outside (local.get $data) (local.get $length)) (then (return (i32.const 1))))
    (if (i32.gt_u (local.get $length) (i32.const 4194304)) (then (return (i32.const 3))))
    (local.set $at (call $room (local.get $length)))
    (if (i32.eqz (local.get $at)) (then (return (i32.const 3))))
    (memory.copy $k $g (local.get $at) (local.get $data) (local.get $length))
    (if (i64.ne (local.get $codec) (i64.const 0x55))
      (then
        (call $request (i32.const 0) (local.get $codec))
        (call $request32 (i32.const 1) (local.get $at))
        (call $request32 (i32.const 2) (local.get $length))
        ;; Checking takes up to half a microsecond a byte.
        (local.set $error
          (if (result i32) (i32.gt_u (local.get $length) (i32.const 16384))
            (then (call $ask_and_wait (i32.const 20)))
            (else (call $ask_now (i32.const 1)))))
        (if (local.get $error) (then (return (local.get $error))))))
    (local.set $id (i32.add (i32.load $k (i32.const 128)) (i32.const 1)))
    (i32.store $k (i32.const 128) (local.get $id))
    (i32.store $k (i32.const 132)
      (i32.and (i32.add (i32.add (local.get $at) (local.get $length)) (i32.const 7)) (i32.const -8)))
    (local.set $entry (call $slot (local.get $id)))
    (i32.store $k (local.get $entry) (local.get $at))
    (i32.store $k offset=4 (local.get $entry) (local.get $length))
    (i64.store $k offset=8 (local.get $entry) (local.get $codec))
    (i32.store $g align=1 (local.get $out) (local.get $id))
    (i32.const 0))

  (func $block_read (param $out i32) (param $id i32) (param $offset i32) (param $to i32)
    (param $max i32) (result i32) (local $entry i32) (local $length i32) (local $n i32)
    (if (call $outside (local.get $out) (i32.const 4)) (then (return (i32.const 1))))
    (if (call $outside (local.get $to) (local.get $max)) (then (return (i32.const 1))))
    (if (i64.gt_u
          (i64.add (i64.extend_i32_u (local.get $offset)) (i64.extend_i32_u (local.get $max)))
          (i64.const 0x7fffffff))
      (then (return (i32.const 1))))
    (local.set $entry (call $entry (local.get $id)))
    (if (i32.eqz (local.get $entry)) (then (return (i32.const 7))))
    (local.set $length (i32.load $k offset=4 (local.get $entry)))
    (if (i32.gt_u (local.get $length) (local.get $offset))
      (then
        (local.set $n (i32.sub (local.get $length) (local.get $offset)))
        (if (i32.gt_u (local.get $n) (local.get $max)) (then (local.set $n (local.get $max))))
        (memory.copy $g $k (local.get $to)
          (i32.add (i32.load $k (local.get $entry)) (local.get $offset)) (local.get $n))))
    (i32.store $g align=1 (local.get $out)
      (i32.sub (local.get $length) (i32.add (local.get $offset) (local.get $max))))
    (i32.const 0))

  (func $block_stat (param $out i32) (param $id i32) (result i32) (local $entry i32)
    (if (call $outside (local.get $out) (i32.const 12)) (then (return (i32.const 1))))
    (local.set $entry (call $entry (local.get $id)))
    (if (i32.eqz (local.get $entry)) (then (return (i32.const 7))))
    (i64.store $g align=1 (local.get $out) (i64.load $k offset=8 (local.get $entry)))
    (i32.store $g offset=8 align=1 (local.get $out) (i32.load $k offset=4 (local.get $entry)))
    (i32.const 0))

  (func $block_link (param $out i32) (param $id i32) (param $hash i64) (param $hash_length i32)
    (param $cid i32) (param $cid_max i32) (result i32) (local $error i32)
    (if (call $outside (local.get $out) (i32.const 4)) (then (return (i32.const 1))))
    (if (call $outside (local.get $cid) (local.get $cid_max)) (then (return (i32.const 1))))
    (if (i32.eqz (call $entry (local.get $id))) (then (return (i32.const 7))))
    (call $request32 (i32.const 0) (local.get $id))
    (call $request (i32.const 1) (local.get $hash))
    (call $request32 (i32.const 2) (local.get $hash_length))
    (local.set $error (call $ask_and_wait (i32.const 17)))
    (if (local.get $error) (then (return (local.get $error))))
    (call $give_bytes (local.get $out) (local.get $cid) (local.get $cid_max)))

  (func $call (param $out i32) (param $cid i32) (param $name i32) (param $name_length i32)
    (param $handles i32) (param $count i32) (param $fuel i64) (result i32)
    (local $length i32) (local $error i32)
    (if (call $outside (local.get $out) (i32.const 32)) (then (return (i32.const 1))))
    (if (i32.gt_u (local.get $name_length) (i32.const 1024)) (then (return (i32.const 3))))
    (if (call $outside (local.get $name) (local.get $name_length)) (then (return (i32.const 1))))
    (if (i32.gt_u (local.get $count) (i32.const 256)) (then (return (i32.const 3))))
    (if (call $outside (local.get $handles) (i32.shl (local.get $count) (i32.const 2)))
      (then (return (i32.const 1))))
    (local.set $length (call $take_cid (local.get $cid)))
    (if (i32.eqz (local.get $length)) (then (return (i32.const 1))))
    (memory.copy $k $g (i32.const 768) (local.get $name) (local.get $name_length))
    (memory.copy $k $g (i32.const 1792) (local.get $handles)
      (i32.shl (local.get $count) (i32.const 2)))
    (call $request32 (i32.const 0) (local.get $length))
    (call $request32 (i32.const 1) (local.get $name_length))
    (call $request32 (i32.const 2) (local.get $count))
    (call $request (i32.const 3) (local.get $fuel))
    (local.set $error (call $ask_and_wait (i32.const 18)))
    (if (local.get $error) (then (return (local.get $error))))
    (memory.copy $g $k (local.get $out) (i32.const 64) (i32.const 32))
    (i32.const 0))

  ;; Copy a message to where the next block would go; gives an error number.
  (func $take_message (param $message i32) (param $length i32) (result i32) (local $at i32)
    (if (call $outside (local.get $message) (local.get $length)) (then (return (i32.const 1))))
    (if (i32.gt_u (local.get $length) (i32.const 65536)) (then (return (i32.const 3))))
    (local.set $at (call $room (local.get $length)))
    (if (i32.eqz (local.get $at)) (then (return (i32.const 3))))
    (memory.copy $k $g (local.get $at) (local.get $message) (local.get $length))
    (call $request32 (i32.const 1) (local.get $at))
    (i32.const 0))

  (func $log (param $message i32) (param $length i32) (result i32) (local $error i32)
    (local.set $error (call $take_message (local.get $message) (local.get $length)))
    (if (local.get $error) (then (return (local.get $error))))
    (call $request32 (i32.const 0) (local.get $length))
    (call $ask_now (i32.const 2)))

  ;; It ends the guest whatever the message is: a guest that aborts does not expect to go on.
  (func $abort (param $code i32) (param $message i32) (param $length i32) (result i32)
    (if (call $take_message (local.get $message) (local.get $length))
      (then (local.set $length (i32.const 0))))
    (call $request32 (i32.const 0) (local.get $length))
    (call $request32 (i32.const 2) (local.get $code))
    (call $ask_now (i32.const 3)))

  (func $fuel (param $out i32) (result i32) (local $error i32)
    (if (call $outside (local.get $out) (i32.const 8)) (then (return (i32.const 1))))
    (local.set $error (call $ask_now (i32.const 4)))
    (if (local.get $error) (then (return (local.get $error))))
    (i64.store $g align=1 (local.get $out) (i64.load $k (i32.const 64)))
    (i32.const 0))

  (func $self (param $out i32) (param $cid i32) (param $cid_max i32) (result i32)
    (local $error i32)
    (if (call $outside (local.get $out) (i32.const 4)) (then (return (i32.const 1))))
    (if (call $outside (local.get $cid) (local.get $cid_max)) (then (return (i32.const 1))))
    (local.set $error (call $ask_now (i32.const 5)))
    (if (local.get $error) (then (return (local.get $error))))
    (call $give_bytes (local.get $out) (local.get $cid) (local.get $cid_max)))

  (func $hash (param $out i32) (param $function i64) (param $data i32) (param $length i32)
    (param $digest i32) (param $digest_max i32) (result i32) (local $at i32) (local $error i32)
    (if (call $outside (local.get $out) (i32.const 4)) (then (return (i32.const 1))))
    (if (call $outside (local.get $data) (local.get $length)) (then (return (i32.const 1))))
    (if (call $outside (local.get $digest) (local.get $digest_max)) (then (return (i32.const 1))))
    (if (i32.gt_u (local.get $length) (i32.const 67108864)) (then (return (i32.const 3))))
    (local.set $at (call $room (local.get $length)))
    (if (i32.eqz (local.get $at)) (then (return (i32.const 3))))
    (memory.copy $k $g (local.get $at) (local.get $data) (local.get $length))
    (call $request (i32.const 0) (local.get $function))
    (call $request32 (i32.const 1) (local.get $at))
    (call $request32 (i32.const 2) (local.get $length))
    (local.set $error (call $ask_and_wait (i32.const 19)))
    (if (local.get $error) (then (return (local.get $error))))
    (call $give_bytes (local.get $out) (local.get $digest) (local.get $digest_max))))

;; The same for Extism: bytes come and go in words of eight, as its plug-in kits move them.
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u64" (func $input_load (param i64) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 2)
  (func (export "f") (result i32) (local $size i64) (local $at i64) (local $out i64)
    (local.set $size (call $input_length))
    (loop $in
      (i64.store offset=1024 (i32.wrap_i64 (local.get $at)) (call $input_load (local.get $at)))
      (local.set $at (i64.add (local.get $at) (i64.const 8)))
      (br_if $in (i64.lt_u (local.get $at) (local.get $size))))
    (local.set $out (call $alloc (local.get $size)))
    (local.set $at (i64.const 0))
    (loop $out
      (call $store (i64.add (local.get $out) (local.get $at))
        (i64.load offset=1024 (i32.wrap_i64 (local.get $at))))
      (local.set $at (i64.add (local.get $at) (i64.const 8)))
      (br_if $out (i64.lt_u (local.get $at) (local.get $size))))
    (call $output_set (local.get $out) (local.get $size))
    (i32.const 0)))

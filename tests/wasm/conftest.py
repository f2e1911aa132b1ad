"""Modules to read, and an engine with every proposal on to compare the reader with."""

import pytest
import wasmtime

PLAIN = """
(module $plain
  (type $binary (func (param i32 i64) (result f64)))
  (import "host" "log" (func $log (param i32)))
  (import "host" "table" (table $host_table 1 8 funcref))
  (import "host" "memory" (memory 1 4))
  (import "host" "base" (global $base i32))
  (import "host" "counter" (global $counter (mut i64)))
  (table $own 2 externref)
  (memory $scratch 3)
  (global $limit f32 (f32.const 1.5))
  (global $next (mut i32) (i32.add (global.get $base) (i32.const 70000)))
  (global $wide f64 (f64.const 2.5))
  (global $hook funcref (ref.func $compute))
  (func $compute (type $binary) (f64.const 1))
  (func $main (call $log (i32.const 1)) (data.drop 1))
  (func $pair (result i32 i32) (i32.const 1) (i32.const 2))
  (export "compute" (func $compute))
  (export "also" (func $compute))
  (export "log" (func $log))
  (export "pair" (func $pair))
  (export "own" (table $own))
  (export "scratch" (memory $scratch))
  (export "next" (global $next))
  (export "counter" (global $counter))
  (export "käse" (global $limit))
  (start $main)
  (elem (table $host_table) (i32.const 0) func $compute $main)
  (data (memory $scratch) (i32.const 8) "hello")
  (data "passive"))
"""

MANAGED = """
(module
  (type $leaf (struct (field i8) (field (mut i64))))
  (rec (type $node (sub (struct (field (ref null $tree)) (field i16))))
       (type $tree (array (mut (ref null $node)))))
  (type $wider (sub $node (struct (field (ref null $tree)) (field i16) (field f32))))
  (type $callback (func (param (ref $leaf) (ref null $node) anyref i31ref) (result eqref)))
  (import "host" "leaf" (global $leaf (ref null $leaf)))
  (global $one (export "one") (ref $leaf) (struct.new $leaf (i32.const 1) (i64.const 2)))
  (global $tree (export "tree") (ref $tree)
    (array.new_fixed $tree 2 (ref.null $node) (ref.null none)))
  (global $small (export "small") (ref i31) (ref.i31 (i32.const 3)))
  (global $plain (export "plain") structref (ref.null struct))
  (table $nodes (export "nodes") 3 (ref $leaf) (struct.new_default $leaf))
  (func $visit (export "visit") (type $callback) (ref.null eq)))
"""

WIDE = """
(module
  (memory $large (export "large") i64 1 0x100000)
  (memory $fine (export "fine") 1 70000 (pagesize 1))
  (memory $common (export "common") 1 2 shared)
  (table $far (export "far") i64 1 200 funcref)
  (tag $failure (export "failure") (param i32 i64))
  (global $lanes (export "lanes") v128 (v128.const i32x4 1 2 3 4))
  (func (export "add") (param v128 exnref) (result v128) (local.get 0))
  (func (export "noop")))
"""

MANY = (
    "(module\n"
    + "\n".join(
        f'(func $f{i} (export "f{i}") (param {"i32 " * (i % 140)}) (nop))' for i in range(150)
    )
    + ")"
)

MODULES = {"plain": PLAIN, "managed": MANAGED, "wide": WIDE, "many": MANY, "empty": "(module)"}


@pytest.fixture(scope="session")
def modules() -> dict[str, bytes]:
    """Valid modules by name; together they use every section and every kind of type."""
    return {name: bytes(wasmtime.wat2wasm(text)) for name, text in MODULES.items()}


@pytest.fixture(scope="session")
def engine() -> wasmtime.Engine:
    """An engine that knows every proposal the reader knows."""
    config = wasmtime.Config()
    config.wasm_custom_page_sizes = True
    config.wasm_exceptions = True
    config.wasm_gc = True
    config.wasm_memory64 = True
    config.wasm_multi_memory = True
    config.wasm_threads = True
    return wasmtime.Engine(config)

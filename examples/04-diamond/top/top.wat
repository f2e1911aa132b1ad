;; Ask two functions for numbers, which both have them from one counter.
(module
  (import "left" "take" (func $left (result i32)))
  (import "right" "take" (func $right (result i32)))

  (func (export "run") (result i32 i32 i32)
    (call $left)
    (call $right)
    (call $left)))

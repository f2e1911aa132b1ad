;; Take one number from the counter.
(module
  (import "counter" "next" (func $next (result i32)))

  (func (export "take") (result i32)
    (call $next)))

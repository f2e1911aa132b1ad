;; Adds two numbers: what is measured is the call.
(module
  (func (export "f") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1))))

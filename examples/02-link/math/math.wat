;; Arithmetic that other functions link to.
(module
  (func (export "multiply_add") (param $a f64) (param $b f64) (param $c f64) (result f64)
    (f64.add (f64.mul (local.get $a) (local.get $b)) (local.get $c))))

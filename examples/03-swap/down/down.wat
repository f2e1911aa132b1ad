;; Round down: 2.9 becomes 2, and -2.1 becomes -3.
(module
  (func (export "round") (param $number f64) (result f64)
    (f64.floor (local.get $number))))

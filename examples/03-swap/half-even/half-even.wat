;; Round to the nearest whole number, and a half to the even one: 2.5 becomes 2, and 3.5 becomes 4.
(module
  (func (export "round") (param $number f64) (result f64)
    (f64.nearest (local.get $number))))

;; Round to the nearest whole number, and a half up: 2.5 becomes 3, and -2.5 becomes -2.
(module
  (func (export "round") (param $number f64) (result f64) (local $floor f64)
    (local.set $floor (f64.floor (local.get $number)))
    (if (result f64)
      (f64.lt (f64.sub (local.get $number) (local.get $floor)) (f64.const 0.5))
      (then (local.get $floor))
      (else (f64.add (local.get $floor) (f64.const 1))))))

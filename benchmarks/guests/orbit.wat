;; Follows a body around a sun for that many steps, and gives its distance: scalar doubles only.
(module
  (func (export "f") (param $steps i32) (result f64)
    (local $x f64) (local $y f64) (local $vx f64) (local $vy f64)
    (local $pull f64) (local $square f64)
    (local.set $x (f64.const 1))
    (local.set $vy (f64.const 1))
    (loop $step
      (local.set $square
        (f64.add (f64.mul (local.get $x) (local.get $x)) (f64.mul (local.get $y) (local.get $y))))
      (local.set $pull
        (f64.div (f64.const -0.001)
          (f64.mul (local.get $square) (f64.sqrt (local.get $square)))))
      (local.set $vx (f64.add (local.get $vx) (f64.mul (local.get $x) (local.get $pull))))
      (local.set $vy (f64.add (local.get $vy) (f64.mul (local.get $y) (local.get $pull))))
      (local.set $x (f64.add (local.get $x) (f64.mul (local.get $vx) (f64.const 0.001))))
      (local.set $y (f64.add (local.get $y) (f64.mul (local.get $vy) (f64.const 0.001))))
      (br_if $step (local.tee $steps (i32.sub (local.get $steps) (i32.const 1)))))
    (f64.sqrt (local.get $square))))

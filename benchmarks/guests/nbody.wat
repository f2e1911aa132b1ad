;; Moves the sun and four planets by that many steps of a hundredth of a year, and gives their
;; energy: doubles in memory, with a square root and a division for each pair. Within a step nothing
;; is called, as after a compiler that inlines.
;;
;; A body is 7 doubles: place, velocity, mass. Lengths are astronomical units, times are years, and
;; masses are such that the sun has 4 pi squared.
(module
  (memory 1)

  (func $body (param $at i32) (param $x f64) (param $y f64) (param $z f64)
    (param $vx f64) (param $vy f64) (param $vz f64) (param $mass f64)
    (f64.store (local.get $at) (local.get $x))
    (f64.store offset=8 (local.get $at) (local.get $y))
    (f64.store offset=16 (local.get $at) (local.get $z))
    (f64.store offset=24 (local.get $at) (f64.mul (local.get $vx) (f64.const 365.24)))
    (f64.store offset=32 (local.get $at) (f64.mul (local.get $vy) (f64.const 365.24)))
    (f64.store offset=40 (local.get $at) (f64.mul (local.get $vz) (f64.const 365.24)))
    (f64.store offset=48 (local.get $at)
      (f64.mul (local.get $mass) (f64.const 39.47841760435743))))

  (func $bodies
    (call $body (i32.const 0) (f64.const 0) (f64.const 0) (f64.const 0)
      (f64.const 0) (f64.const 0) (f64.const 0) (f64.const 1))
    (call $body (i32.const 56)
      (f64.const 4.84143144246472090) (f64.const -1.16032004402742839)
      (f64.const -0.103622044471123109)
      (f64.const 0.00166007664274403694) (f64.const 0.00769901118419740425)
      (f64.const -0.0000690460016972063023)
      (f64.const 0.000954791938424326609))
    (call $body (i32.const 112)
      (f64.const 8.34336671824457987) (f64.const 4.12479856412430479)
      (f64.const -0.403523417114321381)
      (f64.const -0.00276742510726411034) (f64.const 0.00499852801234917238)
      (f64.const 0.0000230417297573763929)
      (f64.const 0.000285885980666130812))
    (call $body (i32.const 168)
      (f64.const 12.8943695621391310) (f64.const -15.1111514016986312)
      (f64.const -0.223307578892655734)
      (f64.const 0.00296460137564761618) (f64.const 0.00237847173959480950)
      (f64.const -0.0000296589568540237556)
      (f64.const 0.0000436624404335156298))
    (call $body (i32.const 224)
      (f64.const 15.3796971148509165) (f64.const -25.9193146099879641)
      (f64.const 0.179258772950371181)
      (f64.const 0.00268067772490389322) (f64.const 0.00162824170038242295)
      (f64.const -0.0000951592254519715870)
      (f64.const 0.0000515138902046611451)))

  ;; Gives the sun the velocity that makes the whole rest; axis is 24, 32 or 40.
  (func $rest (param $axis i32) (local $at i32) (local $momentum f64)
    (local.set $at (i32.const 56))
    (loop $planets
      (local.set $momentum
        (f64.add (local.get $momentum)
          (f64.mul (f64.load (i32.add (local.get $at) (local.get $axis)))
            (f64.load offset=48 (local.get $at)))))
      (local.set $at (i32.add (local.get $at) (i32.const 56)))
      (br_if $planets (i32.lt_u (local.get $at) (i32.const 280))))
    (f64.store (local.get $axis)
      (f64.neg (f64.div (local.get $momentum) (f64.load offset=48 (i32.const 0))))))

  (func $step (local $i i32) (local $j i32) (local $x f64) (local $y f64) (local $z f64)
    (local $square f64) (local $by f64) (local $pull f64)
    (loop $first
      (local.set $j (i32.add (local.get $i) (i32.const 56)))
      (loop $second
        (local.set $x (f64.sub (f64.load (local.get $i)) (f64.load (local.get $j))))
        (local.set $y
          (f64.sub (f64.load offset=8 (local.get $i)) (f64.load offset=8 (local.get $j))))
        (local.set $z
          (f64.sub (f64.load offset=16 (local.get $i)) (f64.load offset=16 (local.get $j))))
        (local.set $square
          (f64.add (f64.mul (local.get $x) (local.get $x))
            (f64.add (f64.mul (local.get $y) (local.get $y))
              (f64.mul (local.get $z) (local.get $z)))))
        (local.set $by
          (f64.div (f64.const 0.01)
            (f64.mul (local.get $square) (f64.sqrt (local.get $square)))))
        (local.set $pull (f64.mul (f64.load offset=48 (local.get $j)) (local.get $by)))
        (f64.store offset=24 (local.get $i)
          (f64.sub (f64.load offset=24 (local.get $i))
            (f64.mul (local.get $x) (local.get $pull))))
        (f64.store offset=32 (local.get $i)
          (f64.sub (f64.load offset=32 (local.get $i))
            (f64.mul (local.get $y) (local.get $pull))))
        (f64.store offset=40 (local.get $i)
          (f64.sub (f64.load offset=40 (local.get $i))
            (f64.mul (local.get $z) (local.get $pull))))
        (local.set $pull (f64.mul (f64.load offset=48 (local.get $i)) (local.get $by)))
        (f64.store offset=24 (local.get $j)
          (f64.add (f64.load offset=24 (local.get $j))
            (f64.mul (local.get $x) (local.get $pull))))
        (f64.store offset=32 (local.get $j)
          (f64.add (f64.load offset=32 (local.get $j))
            (f64.mul (local.get $y) (local.get $pull))))
        (f64.store offset=40 (local.get $j)
          (f64.add (f64.load offset=40 (local.get $j))
            (f64.mul (local.get $z) (local.get $pull))))
        (local.set $j (i32.add (local.get $j) (i32.const 56)))
        (br_if $second (i32.lt_u (local.get $j) (i32.const 280))))
      (local.set $i (i32.add (local.get $i) (i32.const 56)))
      (br_if $first (i32.lt_u (local.get $i) (i32.const 224))))
    (local.set $i (i32.const 0))
    (loop $move
      (f64.store (local.get $i)
        (f64.add (f64.load (local.get $i))
          (f64.mul (f64.const 0.01) (f64.load offset=24 (local.get $i)))))
      (f64.store offset=8 (local.get $i)
        (f64.add (f64.load offset=8 (local.get $i))
          (f64.mul (f64.const 0.01) (f64.load offset=32 (local.get $i)))))
      (f64.store offset=16 (local.get $i)
        (f64.add (f64.load offset=16 (local.get $i))
          (f64.mul (f64.const 0.01) (f64.load offset=40 (local.get $i)))))
      (local.set $i (i32.add (local.get $i) (i32.const 56)))
      (br_if $move (i32.lt_u (local.get $i) (i32.const 280)))))

  (func $distance (param $i i32) (param $j i32) (result f64)
    (local $x f64) (local $y f64) (local $z f64)
    (local.set $x (f64.sub (f64.load (local.get $i)) (f64.load (local.get $j))))
    (local.set $y (f64.sub (f64.load offset=8 (local.get $i)) (f64.load offset=8 (local.get $j))))
    (local.set $z (f64.sub (f64.load offset=16 (local.get $i)) (f64.load offset=16 (local.get $j))))
    (f64.sqrt
      (f64.add (f64.mul (local.get $x) (local.get $x))
        (f64.add (f64.mul (local.get $y) (local.get $y)) (f64.mul (local.get $z) (local.get $z))))))

  (func $energy (result f64) (local $i i32) (local $j i32) (local $sum f64) (local $square f64)
    (loop $first
      (local.set $square
        (f64.add
          (f64.mul (f64.load offset=24 (local.get $i)) (f64.load offset=24 (local.get $i)))
          (f64.add
            (f64.mul (f64.load offset=32 (local.get $i)) (f64.load offset=32 (local.get $i)))
            (f64.mul (f64.load offset=40 (local.get $i)) (f64.load offset=40 (local.get $i))))))
      (local.set $sum
        (f64.add (local.get $sum)
          (f64.mul (f64.const 0.5)
            (f64.mul (f64.load offset=48 (local.get $i)) (local.get $square)))))
      (local.set $j (i32.add (local.get $i) (i32.const 56)))
      (block $last
        (br_if $last (i32.ge_u (local.get $j) (i32.const 280)))
        (loop $second
          (local.set $sum
            (f64.sub (local.get $sum)
              (f64.div
                (f64.mul (f64.load offset=48 (local.get $i)) (f64.load offset=48 (local.get $j)))
                (call $distance (local.get $i) (local.get $j)))))
          (local.set $j (i32.add (local.get $j) (i32.const 56)))
          (br_if $second (i32.lt_u (local.get $j) (i32.const 280)))))
      (local.set $i (i32.add (local.get $i) (i32.const 56)))
      (br_if $first (i32.lt_u (local.get $i) (i32.const 280))))
    (local.get $sum))

  (func (export "f") (param $steps i32) (result f64)
    (call $bodies)
    (call $rest (i32.const 24))
    (call $rest (i32.const 32))
    (call $rest (i32.const 40))
    (loop $again
      (call $step)
      (br_if $again (local.tee $steps (i32.sub (local.get $steps) (i32.const 1)))))
    (call $energy)))

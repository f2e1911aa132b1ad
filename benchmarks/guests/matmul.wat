;; Multiplies two n × n matrices of doubles, n up to 128, and gives an entry of the product.
;; Doubles and memory, in the order row, middle, column. Nothing is called, as after a compiler that
;; inlines.
(module
  (memory 8)
  (func (export "f") (param $n i32) (result f64)
    (local $i i32) (local $j i32) (local $k i32) (local $a f64) (local $from i32) (local $to i32)
    (loop $fill
      (f64.store (i32.shl (local.get $i) (i32.const 3))
        (f64.convert_i32_u (i32.rem_u (local.get $i) (i32.const 7))))
      (f64.store offset=131072 (i32.shl (local.get $i) (i32.const 3))
        (f64.convert_i32_u (i32.rem_u (local.get $i) (i32.const 5))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $i) (i32.const 16384))))
    (memory.fill (i32.const 262144) (i32.const 0) (i32.const 131072))
    (local.set $i (i32.const 0))
    (loop $rows
      (local.set $k (i32.const 0))
      (loop $middle
        (local.set $a
          (f64.load
            (i32.add (i32.shl (local.get $i) (i32.const 10))
              (i32.shl (local.get $k) (i32.const 3)))))
        (local.set $from (i32.add (i32.const 131072) (i32.shl (local.get $k) (i32.const 10))))
        (local.set $to (i32.add (i32.const 262144) (i32.shl (local.get $i) (i32.const 10))))
        (local.set $j (i32.const 0))
        (loop $columns
          (f64.store (local.get $to)
            (f64.add (f64.load (local.get $to))
              (f64.mul (local.get $a) (f64.load (local.get $from)))))
          (local.set $from (i32.add (local.get $from) (i32.const 8)))
          (local.set $to (i32.add (local.get $to) (i32.const 8)))
          (local.set $j (i32.add (local.get $j) (i32.const 1)))
          (br_if $columns (i32.lt_u (local.get $j) (local.get $n))))
        (local.set $k (i32.add (local.get $k) (i32.const 1)))
        (br_if $middle (i32.lt_u (local.get $k) (local.get $n))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $rows (i32.lt_u (local.get $i) (local.get $n))))
    (f64.load offset=262144 (i32.const 1032))))

;; Work out a tax, and leave the rounding to another function.
;;
;; Which rounding is no part of this code. It stands in the manifest, as a CID.
(module
  (import "rounding" "round" (func $round (param f64) (result f64)))

  (func (export "tax") (param $cents i64) (param $percent f64) (result i64)
    (i64.trunc_sat_f64_s
      (call $round
        (f64.div (f64.mul (f64.convert_i64_s (local.get $cents)) (local.get $percent))
                 (f64.const 100))))))

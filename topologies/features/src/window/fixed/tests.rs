//! Long numbers against doubles and 128-bit integers.

use super::{SUM_BASE, SUM_LIMBS, add, add_double, round, scale};

#[track_caller]
fn check_round_trip(x: f64) {
    let mut limbs = [0; SUM_LIMBS];
    add_double(&mut limbs, SUM_BASE, x, false);
    let (fraction, exponent) = round(&limbs);
    assert_eq!(scale(fraction, exponent + SUM_BASE).to_bits(), (x + 0.0).to_bits(), "{x:e}");
    add_double(&mut limbs, SUM_BASE, x, true);
    assert_eq!(limbs, [0; SUM_LIMBS], "{x:e}");
}

#[test]
fn every_double_fits_and_comes_back() {
    let values = [0.0, 1.0, 0.1, 5e-324, f64::MIN_POSITIVE, f64::MAX, 2.2e-308, 1e-310, 1e-200, 1e200, 123_456.789];
    for value in values {
        check_round_trip(value);
        check_round_trip(-value);
    }
}

#[test]
fn ties_round_to_even_unless_anything_lies_below() {
    let half = 2_f64.powi(-53);
    let rows = [
        (vec![1.0, half], 1.0),
        (vec![1.0, half, 5e-324], 1.0 + f64::EPSILON),
        (vec![1.0 + f64::EPSILON, half], 1.0 + 2.0 * f64::EPSILON),
        (vec![-1.0, -half, -5e-324], -1.0 - f64::EPSILON),
        (vec![1e300, -1e300, 3.0], 3.0),
        (vec![f64::MAX, f64::MAX], f64::INFINITY),
    ];
    for (values, expected) in rows {
        let mut limbs = [0; SUM_LIMBS];
        values.iter().for_each(|value| add_double(&mut limbs, SUM_BASE, *value, false));
        let (fraction, exponent) = round(&limbs);
        assert_eq!(scale(fraction, exponent + SUM_BASE), expected, "{values:?}");
    }
}

#[test]
fn carries_and_borrows_run_through_all_limbs() {
    let mut limbs = [u64::MAX, u64::MAX, u64::MAX, 0];
    add(&mut limbs, 1, 0, false);
    assert_eq!(limbs, [0, 0, 0, 1]);
    add(&mut limbs, 1, 0, true);
    assert_eq!(limbs, [u64::MAX, u64::MAX, u64::MAX, 0]);
    let mut limbs = [0; 4];
    add(&mut limbs, u128::MAX, 60, false);
    assert_eq!(limbs, [15 << 60, u64::MAX, (1 << 60) - 1, 0]);
}

#![allow(clippy::unwrap_used)]

//! Sums at the edges of what two doubles hold.

use super::{Square, Sum};
use crate::window::wide::Wides;

/// Adds the values one by one, takes all but the last `left` out again in order, and compares with the sum, the mean
/// and the deviation of those left when nothing else was ever there.
#[track_caller]
fn check(values: &[f64], left: usize) {
    let mut wides = Wides::default();
    let (mut sum, mut square) = (Sum::default(), Square::default());
    values.iter().for_each(|value| sum.add(Some(&mut square), *value, &mut wides));
    let (gone, stays) = values.split_at(values.len() - left);
    gone.iter().for_each(|value| sum.remove(Some(&mut square), *value, &mut wides));
    let (mut fresh, mut fresh_square) = (Sum::default(), Square::default());
    stays.iter().rev().for_each(|value| fresh.add(Some(&mut fresh_square), *value, &mut wides));
    let read = |sum: &Sum, square: &Square| {
        let values = [sum.sum(&wides), sum.avg(&wides), sum.stddev(square, &wides)];
        values.map(|value| value.map(f64::to_bits))
    };
    assert_eq!(read(&sum, &square), read(&fresh, &fresh_square), "{values:?}");
}

#[test]
fn history_cannot_be_told_from_the_result() {
    check(&[0.1, 0.2, 0.3, 0.4, 0.5], 2);
    check(&[1e300, 1.0, 1e-300, 5e-324, 0.1, 0.2], 3);
    check(&[f64::MAX, f64::MAX, f64::MAX, 1.0, 2.0], 2);
    check(&[f64::NAN, f64::INFINITY, 3.25, 4.5], 2);
    check(&[1e160, -1e160, 1e-170, 0.5, 0.25], 3);
    check(&[1e15, 1e15 + 1.0, 1e15 + 2.0, 1e15 + 3.0], 3);
    check(&[1e-20, 1e10, 3.0, 0.0, -0.0, 1e-15], 4);
    check(&[7.0, 1.0], 0);
}

#[test]
fn wide_sums_become_narrow_when_the_trouble_has_left() {
    let mut wides = Wides::default();
    let (mut sum, mut square) = (Sum::default(), Square::default());
    for value in [1.0, 1e-300, f64::NAN] {
        sum.add(Some(&mut square), value, &mut wides);
    }
    assert_eq!(wides.used(), 1);
    for value in [1e-300, f64::NAN] {
        sum.remove(Some(&mut square), value, &mut wides);
    }
    for step in 0..200 {
        sum.add(Some(&mut square), f64::from(step) / 8.0, &mut wides);
    }
    assert_eq!(wides.used(), 0);
    assert_eq!(sum.sum(&wides), Some(1.0 + 199.0 * 200.0 / 16.0));
    // Witness: Python, statistics.stdev([1.0] + [i / 8 for i in range(200)]).
    let stddev = sum.stddev(&square, &wides).unwrap();
    assert!((stddev - 7.261_739_401_947_101).abs() < 1e-14, "{stddev}");
}

#[test]
fn empty_sums_give_their_wide_place_back() {
    let mut wides = Wides::default();
    for _ in 0..10 {
        let mut sum = Sum::default();
        sum.add(None, f64::INFINITY, &mut wides);
        sum.remove(None, f64::INFINITY, &mut wides);
        assert_eq!((sum.sum(&wides), wides.used()), (None, 0));
    }
}

proptest::proptest! {
    #[test]
    fn both_ways_to_a_remainder_agree(high in proptest::num::f64::NORMAL, ulps in -0.5..0.5_f64, count in 1..1_u32 << 21) {
        let low = ulps * high * f64::EPSILON / 2.0;
        let (divisor, quotient) = (f64::from(count), high / f64::from(count));
        let fused = quotient + ((-quotient).mul_add(divisor, high) + low) / divisor;
        proptest::prop_assert_eq!(super::quotient(high, low, count).to_bits(), fused.to_bits());
    }
}

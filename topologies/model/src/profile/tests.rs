//! Bins and the stability index, checked by hand.
#![allow(clippy::unwrap_used)]

use super::*;

#[track_caller]
fn check(values: &[f32], edges: &[f64], counts: &[u64], nulls: u64) {
    let column = Column::fit("x", values.iter().copied());
    assert_eq!((column.edges.as_slice(), column.counts.as_slice(), column.nulls), (edges, counts, nulls));
    assert!(column.is_sound());
}

#[test]
fn bins_are_deciles_where_values_allow() {
    let hundred: Vec<f32> = (1..=100).map(|v| v as f32).collect();
    check(&hundred, &[10., 20., 30., 40., 50., 60., 70., 80., 90.], &[10; 10], 0);
    // A flag keeps both of its values apart, whichever is the rare one.
    check(&[0., 0., 0., 1.], &[0.], &[3, 1], 0);
    check(&[[0.0; 99].as_slice(), &[1.0]].concat(), &[0.], &[99, 1], 0);
    check(&[[1.0; 99].as_slice(), &[0.0]].concat(), &[0.], &[1, 99], 0);
    check(&[f32::NAN, 2.0, 4.0, f32::INFINITY], &[2.], &[1, 1], 2);
    check(&[], &[], &[0], 0);
    check(&[f32::NAN], &[], &[0], 1);
}

#[test]
fn constant_column_notices_values_on_either_side() {
    let column = Column::fit("x", [5.0; 7]);
    assert_eq!(column.counts, [0, 7, 0]);
    assert_eq!([4.0, 5.0, 6.0].map(|v| column.bin(v)), [0, 1, 2]);
}

#[test]
fn a_double_falls_where_its_rounded_value_fell() {
    // Rounding to f32 moves some of these up and some down.
    for value in [1.0 / 7.0, 0.2, 1.0 / 3.0, 0.7_f64] {
        let column = Column::fit("x", [value as f32, 2.0]);
        assert_eq!(column.bin(value), 0, "{value}");
    }
}

#[test]
fn stability_index_equals_the_hand_computed_sum() {
    let column = Column { name: "x".into(), nulls: 0, edges: vec![1.0], counts: vec![50, 50] };
    // (0.75-0.5) ln(0.75/0.5) + (0.25-0.5) ln(0.25/0.5) = 0.25 ln 3 = 0.274653072167027
    assert!((column.psi(&[75, 25], 0) - 0.274_653_072_167_027).abs() < 1e-12);
    assert_eq!(column.psi(&[7, 7], 0), 0.0);
    assert_eq!(column.psi(&[0, 0], 0), 0.0);
    // Nulls where there were none: (0.5-1e-4) ln(0.5/1e-4) + 2 (0.25-0.5) ln(0.25/0.5)
    let expected = (0.5 - 1e-4) * (0.5_f64 / 1e-4).ln() + 0.5 * 2.0_f64.ln();
    assert!((column.psi(&[25, 25], 50) - expected).abs() < 1e-12);
}

#[test]
fn categories_have_bins_of_their_own_and_the_unknown_one() {
    let column = Column::fit_category("c", [f32::NAN, 2.0, 2.0, 3.0, 4.0, 2.0], 3);
    assert_eq!(
        (column.edges.as_slice(), column.counts.as_slice(), column.nulls),
        (&[1., 2., 3.][..], &[0, 3, 1, 1][..], 1)
    );
    assert!(column.is_sound());
    // Half of the events have become something that training never saw: (1/2 - 1e-4) ln(1/2 / 1e-4), and what the
    // others lost.
    let expected = (0.5 - 1e-4) * (0.5f64 / 1e-4).ln() + 0.25 * 2f64.ln() + 3.0 * (1.0 / 12.0) * 2f64.ln();
    let counts = [6, 3, 1, 1];
    assert!((column.psi(&counts, 1) - expected).abs() < 1e-9, "{}", column.psi(&counts, 1));
    let many = Column::fit_category("c", (2..102).map(|slot| slot as f32), 100);
    assert_eq!((many.counts.len(), many.counts[31], many.is_sound()), (32, 70, true));
    assert_eq!([1.0, 2.0, 31.0, 32.0, 101.0].map(|slot| many.bin(slot)), [0, 1, 30, 31, 31]);
    let none = Column::fit_category("c", [f32::NAN, 1.0], 0);
    assert_eq!((none.counts.as_slice(), none.nulls, none.is_sound()), (&[1, 0][..], 1, true));
}

//! `docs/reference/codes.md` and the codes agree, and each example has its code.

use super::{changed, resolve};
use crate::config::{CODES, explain, parse};

/// Where each example stands in the good file: a text there, and what takes its place.
const PLACES: [(&str, &str); 20] = [
    ("pipeline: shop\n", "{}\n"),
    ("delivery: low_latency", "{}"),
    ("pipeline: shop\n", "{}\n"),
    ("on: [drift]", "{}"),
    ("pipeline: shop\n", "{}\n"),
    ("horizon: 90d", "{}"),
    ("lateness: 10m", "{}"),
    ("ordering: arrival", "{}"),
    ("labels: orders", "{}"),
    ("schema: shop/Order.avsc", "{}"),
    ("key: buyer_id", "{}"),
    ("inputs: [amount, row.*, buyer.*, seller_returns_30d]", "{}"),
    ("windows: [1h, 7d]", "{}"),
    ("abroad: country <> 'DE'", "{}"),
    ("inputs: [amount, row.*, buyer.*, seller_returns_30d]", "{}"),
    ("dedupe_horizon: 1h", "{}"),
    ("inputs: [amount, row.*, buyer.*, seller_returns_30d]", "{}"),
    ("  returns:\n", "  {}\n  returns:\n"),
    ("windows: [30d]", "windows: [30d]\n      {}"),
    ("  entities:\n", "  derived: { {} }\n  entities:\n"),
];

#[test]
fn every_code_has_a_row_with_its_title_and_every_row_a_code() {
    let documented: Vec<_> = explain::all().map(|row| (row.code, row.title)).collect();
    assert_eq!(documented, CODES, "rows of docs/reference/codes.md, and the codes in their order");
    for row in explain::all() {
        assert!(row.cause.len() > 20 && row.remedy.len() > 15, "say more of {}", row.code);
        assert_eq!(explain::of(&row.code.to_lowercase()), Some(row));
    }
    assert_eq!(explain::of("TM9999"), None);
}

#[test]
fn every_example_is_the_mistake_that_its_code_says() {
    for (row, (from, to)) in explain::all().zip(PLACES) {
        let problems = parse(&changed(from, &to.replace("{}", row.example)), &resolve).err().unwrap_or_default();
        assert!(problems.iter().any(|problem| problem.code == row.code), "{}: {problems:?}", row.code);
    }
}

#[test]
fn codes_are_numbered_without_a_gap() {
    for (number, (code, _)) in (1..).zip(CODES) {
        assert_eq!(*code, format!("TM{number:04}"));
    }
}

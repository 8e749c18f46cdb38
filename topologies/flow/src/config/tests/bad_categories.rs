//! Inputs that are categories, and mistakes in what is said of them.

use expect_test::expect;

use super::super::Category;
use super::{changed, check, check_file, good, parse, resolve};

/// The model's inputs with a text among them and settings of categories behind.
fn with(categories: &str) -> String {
    format!("inputs: [amount, country, Gift, buyer.*]\n    categories: {categories}")
}

const INPUTS: &str = "inputs: [amount, row.*, buyer.*, seller_returns_30d]";

#[test]
fn texts_are_categories_by_themselves_and_numbers_where_they_are_named() {
    let of = |categories: &str| {
        let pipeline = parse(&changed(INPUTS, &with(categories)), &resolve).unwrap();
        pipeline.models[0].categories.clone()
    };
    let country = Category::new("country", 1_000);
    assert_eq!(of("{}"), std::slice::from_ref(&country));
    let gift = Category { dimension: Some(2), words_max: 3, min_count: 5, ..Category::new("Gift", 1) };
    assert_eq!(of("{ Gift: { dimension: 2, words_max: 3, min_count: 5 } }"), [country.clone(), gift]);
    let orders = Category::new("buyer_orders_7d", 1_000);
    assert_eq!(of("{ buyer_orders_7d: {}, country: }"), [country, orders], "in the order of the inputs");
    assert_eq!(good().models[0].categories, []);
}

#[test]
fn settings_of_categories_must_fit() {
    check(INPUTS, &with("{ contry: {} }"), expect![[""]]);
    check(INPUTS, &with("{ country: { dimension: 0 } }"), expect![[""]]);
    check(INPUTS, &with("{ country: { words_max: 10001 } }"), expect![[""]]);
    check(INPUTS, &with("{ country: { min_count: 0, size: 3 } }"), expect![[""]]);
    check(INPUTS, &with("[country]"), expect![[""]]);
}

#[test]
fn a_category_that_is_no_column_is_no_input() {
    check(INPUTS, "inputs: [amount, city]\n    categories: { city: { dimension: 4 } }", expect![[""]]);
}

#[test]
fn a_linear_model_has_one_weight_per_word_and_a_penalty() {
    let linear = |training: &str| {
        let categories = with("{ country: { dimension: 3 } }");
        changed(INPUTS, &categories).replace("{ mlp: [16, 8] }", "linear").replace("l2: 0.001, ", training)
    };
    check_file(&linear(""), expect![[""]]);
    check_file(&linear("l2: 1.0, "), expect![[""]]);
    let texts = changed(INPUTS, "inputs: [amount, country]").replace("{ mlp: [16, 8] }", "linear");
    check_file(&texts.replace("l2: 0.001, ", ""), expect![[""]]);
}

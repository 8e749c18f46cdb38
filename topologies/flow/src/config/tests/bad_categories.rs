//! Inputs that are categories, and mistakes in what is said of them.

use expect_test::{Expect, expect};

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

#[track_caller]
fn check_categories(categories: &str, expected: Expect) {
    check(INPUTS, &with(categories), expected);
}

#[test]
fn settings_of_categories_must_fit() {
    check_categories(
        "{ contry: {} }",
        expect![[r#"
        51 TM0015: `contry` is no input of the model
            categories: { contry: {} }
                          ^^^^^^
            did you mean `country`?
    "#]],
    );
    check_categories(
        "{ country: { dimension: 0 } }",
        expect![[r#"
        51 TM0006: `dimension` must be from 1 to 64, not 0
            categories: { country: { dimension: 0 } }
                                                ^
    "#]],
    );
    check_categories(
        "{ country: { words_max: 10001 } }",
        expect![[r#"
        51 TM0006: `words_max` must be from 1 to 10000, not 10001
            categories: { country: { words_max: 10001 } }
                                                ^^^^^
    "#]],
    );
    check_categories(
        "{ country: { min_count: 0, size: 3 } }",
        expect![[r#"
        51 TM0006: `min_count` must be at least 1, not 0
            categories: { country: { min_count: 0, size: 3 } }
                                                ^
        51 TM0002: category `country` has no setting `size`
            categories: { country: { min_count: 0, size: 3 } }
                                                   ^^^^
            known: `dimension`, `words_max`, `min_count`
    "#]],
    );
    check_categories(
        "[country]",
        expect![[r#"
        51 TM0004: `categories` must be a map of inputs, not a list
            categories: [country]
                        ^
            write `categories: { weather: {}, city: { dimension: 4 } }`
    "#]],
    );
}

#[test]
fn a_category_that_is_no_column_is_no_input() {
    check(
        INPUTS,
        "inputs: [amount, city]\n    categories: { city: { dimension: 4 } }",
        expect![[r#"
        50 TM0015: `city` is no column, feature or group of features
            inputs: [amount, city]
                             ^^^^
    "#]],
    );
}

#[test]
fn a_linear_model_has_one_weight_per_word_and_a_penalty() {
    let linear = |training: &str| {
        let categories = with("{ country: { dimension: 3 } }");
        changed(INPUTS, &categories).replace("{ mlp: [16, 8] }", "linear").replace("l2: 0.001, ", training)
    };
    check_file(
        &linear(""),
        expect![[r#"
        51 TM0016: the weights of a linear model's categories are unique only with `l2` above 0
            categories: { country: { dimension: 3 } }
                        ^
            add `training: { l2: 1.0 }`
        51 TM0016: a linear model has one weight per word, so `dimension` is 1
            categories: { country: { dimension: 3 } }
                                                ^
            take it out
    "#]],
    );
    check_file(
        &linear("l2: 1.0, "),
        expect![[r#"
        51 TM0016: a linear model has one weight per word, so `dimension` is 1
            categories: { country: { dimension: 3 } }
                                                ^
            take it out
    "#]],
    );
    let texts = changed(INPUTS, "inputs: [amount, country]").replace("{ mlp: [16, 8] }", "linear");
    check_file(
        &texts.replace("l2: 0.001, ", ""),
        expect![[r#"
        50 TM0016: the weights of a linear model's categories are unique only with `l2` above 0
            inputs: [amount, country]
                    ^
            add `training: { l2: 1.0 }`
    "#]],
    );
}

//! Vocabularies: which words get in, in which order, and what stands for everything else.
#![allow(clippy::unwrap_used)]

use super::*;

fn learnt(texts: &[&str], limits: (usize, u64)) -> Vec<String> {
    Vocabulary::learnt("city", texts.iter().copied(), limits).unwrap().words().to_vec()
}

#[test]
fn the_most_frequent_come_first_and_equal_ones_by_their_text() {
    let texts = ["b", "a", "c", "a", "ä", "b", "Z", ""];
    assert_eq!(learnt(&texts, (10, 1)), ["a", "b", "", "Z", "c", "ä"]);
    let backwards: Vec<&str> = texts.iter().rev().copied().collect();
    assert_eq!(learnt(&backwards, (10, 1)), learnt(&texts, (10, 1)), "the order of rows does not matter");
    assert_eq!(learnt(&texts, (3, 1)), ["a", "b", ""], "the rest is unknown");
    assert_eq!(learnt(&texts, (10, 2)), ["a", "b"], "and what is rare");
    assert_eq!(learnt(&texts, (10, 3)), [""; 0]);
    let long = "x".repeat(WORD_BYTES_MAX + 1);
    assert_eq!(learnt(&[&long, &long, "a"], (10, 1)), ["a"]);
}

#[test]
fn every_text_has_one_slot_and_every_number_stands_for_one() {
    let words = Vocabulary::new("city", vec!["b".into(), "a".into()]).unwrap();
    assert_eq!((words.input(), words.slots()), ("city", 4));
    assert!(words.cell(None).is_nan());
    let slot_of = |text| slot(words.cell(text), words.slots());
    assert_eq!([None, Some("z"), Some("b"), Some("a"), Some("A")].map(slot_of), [0, 1, 2, 3, 1]);
    let odd = [f32::INFINITY, f32::NEG_INFINITY, -1.0, 4.0, 2.5, 1e30, -0.0];
    assert_eq!(odd.map(|cell| slot(cell, 4)), [0, 0, 1, 1, 1, 1, 0]);
}

#[test]
fn words_that_are_no_vocabulary_are_refused() {
    let error = |words: Vec<String>| Vocabulary::new("city", words).unwrap_err().to_string();
    assert_eq!(error(vec!["a".into(), "a".into()]), "the vocabulary of city has \"a\" twice");
    assert!(error(vec!["x".repeat(257)]).contains("word 0 of the vocabulary of city has 257 bytes"));
    let many = (0..=WORDS_MAX).map(|word| word.to_string()).collect();
    assert_eq!(error(many), "the vocabulary of city has 10001 words, allowed are 10000");
}

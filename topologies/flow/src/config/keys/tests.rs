//! What is declared of keys agrees with itself.

use super::{Absent, Key, Kind, PIPELINE, Range, Shape};

/// All sections, those in others included.
fn shapes() -> Vec<&'static Shape> {
    fn add(shape: &'static Shape, found: &mut Vec<&'static Shape>) {
        found.push(shape);
        shape.keys.iter().for_each(|key| add_of(&key.kind, found));
    }
    fn add_of(kind: &'static Kind, found: &mut Vec<&'static Shape>) {
        match kind {
            Kind::Section(shape) => add(shape, found),
            Kind::Either { with, without, .. } => [with, without].into_iter().for_each(|shape| add(shape, found)),
            Kind::Named(of) | Kind::Of(_, of) | Kind::List { of, .. } => add_of(of, found),
            Kind::Any(kinds) => kinds.iter().for_each(|kind| add_of(kind, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    add(&PIPELINE, &mut found);
    found
}

/// Whether what stands for a key is what the key may hold.
fn fits(kind: &Kind, absent: Absent) -> bool {
    match (kind, absent) {
        (_, Absent::Refused | Absent::Nothing | Absent::Told(_)) => true,
        (Kind::Integer { least, most }, Absent::Integer(number)) => (least..=most).contains(&&number),
        (Kind::Number(range), Absent::Number(number)) => range.holds(number),
        (Kind::Duration { is_longer_than_nothing }, Absent::Time(us)) => us > 0 || !is_longer_than_nothing,
        (Kind::Choice(words), Absent::Word(word)) => words().contains(&word),
        (Kind::Word(one), Absent::Word(word)) => *one == word,
        (Kind::Boolean, Absent::Boolean(_)) => true,
        (Kind::Only(value), Absent::Boolean(absent)) => *value == absent,
        (Kind::Any(kinds), absent) => kinds.iter().any(|kind| fits(kind, absent)),
        _ => false,
    }
}

#[test]
fn what_stands_for_an_absent_key_is_what_it_may_hold() {
    for shape in shapes() {
        for Key { name, kind, absent, .. } in shape.keys {
            assert!(fits(kind, *absent), "{}: {name} holds {kind:?}, and {absent:?} stands for it", shape.path);
        }
    }
}

#[test]
fn every_key_says_what_it_is_for_and_stands_once_in_its_section() {
    for shape in shapes() {
        assert!(!shape.keys.is_empty() && shape.doc.ends_with('.'), "{}", shape.path);
        for (at, key) in shape.keys.iter().enumerate() {
            assert!(key.doc.ends_with('.') && key.doc.len() > 6, "{}: {}", shape.path, key.name);
            assert!(!shape.keys[..at].iter().any(|other| other.name == key.name), "{}: {}", shape.path, key.name);
        }
    }
}

#[test]
fn sections_at_one_path_have_the_same_keys() {
    let all = shapes();
    for (at, shape) in all.iter().enumerate() {
        let same = all[..at].iter().filter(|other| other.path == shape.path);
        for other in same {
            let names = |shape: &Shape| shape.keys.iter().map(|key| key.name).collect::<Vec<_>>();
            assert_eq!(names(other), names(shape), "{}", shape.path);
        }
    }
}

#[test]
fn ranges_hold_what_their_words_say() {
    let rows = [
        (Range::Finite, vec![-1e300, 0.0], vec![f64::NAN, f64::INFINITY]),
        (Range::Above(0.0), vec![1e-300], vec![0.0, -1.0, f64::NAN]),
        (Range::AtLeast(0.0), vec![0.0, 1.0], vec![-1e-300, f64::NAN]),
        (Range::Within(0.0, 1.0), vec![0.0, 1.0], vec![-0.1, 1.1, f64::NAN]),
        (Range::Below(0.0, 1.0), vec![0.0, 0.999], vec![-0.1, 1.0, f64::NAN]),
        (Range::Single, vec![-3e38, 3e38], vec![4e38, f64::NAN]),
    ];
    for (range, held, refused) in rows {
        assert!(held.iter().all(|number| range.holds(*number)), "{}", range.words());
        assert!(!refused.iter().any(|number| range.holds(*number)), "{}", range.words());
    }
}

//! Models with a probability per class: what predictions say, and which models a pipeline with classes takes.

use super::check_like;
use super::harness::{Harness, Shelf, classed};
use crate::champion::check_classes;
use crate::score::scores;
use expect_test::expect;
use std::sync::Arc;

const CLASSES: &[&str] = &["bus", "tram", "train"];

fn shelf() -> Arc<Shelf> {
    Arc::new(Shelf([1, 2].map(|version| (version, Arc::new(classed(version, CLASSES)))).into()))
}

#[test]
fn predictions_name_the_most_probable_class_with_all_probabilities() {
    let shelf = shelf();
    check_like(
        || Harness::of(shelf.clone(), Arc::default(), CLASSES),
        "event z t=9 c=7 amount=1 risk=0.5
         fence 1 m@1
         event a t=10 c=7 amount=3 risk=0.5 + event b t=11 c=8 amount=-3 risk=- + mark 5
         fence 2 m@2
         event c t=12 c=- amount=- risk=0.5",
        &expect![[r#"
            journal/1 #1 a train 0.5897976756095886 null m@1 3.0.0
            prediction[7] a 1970-01-01T00:00:10Z key=7 train of [0.13160164654254913,0.27860069274902344,0.5897976756095886] score=0.5897976756095886 threshold=null null m@1 digest=64 features=features-digest schema=3 champion dense-fma-f32-v1 3.0.1
            journal/0 #1 b bus 0.9077159762382507 null m@1 3.1.0
            prediction[8] b 1970-01-01T00:00:11Z key=8 bus of [0.9077159762382507,0.08443073183298111,0.007853281684219837] score=0.9077159762382507 threshold=null null m@1 digest=64 features=features-digest schema=3 champion dense-fma-f32-v1 3.1.1
            journal/1 #2 c bus 0.5489178895950317 null m@2 5.0.0
            prediction[c] c 1970-01-01T00:00:12Z key= bus of [0.5489178895950317,0.2938145697116852,0.15726761519908905] score=0.5489178895950317 threshold=null null m@2 digest=64 features=features-digest schema=3 champion dense-fma-f32-v1 5.0.1
            journal/0 mark 1970-01-01T00:00:05Z
            journal/1 mark 1970-01-01T00:00:05Z
            emitted 3 filtered 1
        "#]],
    );
}

#[test]
fn the_score_is_the_greatest_probability_and_of_equals_the_first_counts() {
    let model = classed(1, CLASSES);
    let found: Vec<_> = scores(model.network(), &[0.25, 0.5, 0.25, 0.4, 0.2, 0.4])
        .map(|score| (score.class, score.value, score.outputs.len()))
        .collect();
    assert_eq!(found, [(Some(1), 0.5, 3), (Some(0), f64::from(0.4_f32), 3)]);
    let plain = super::harness::model(1, &["amount"], "f");
    let found: Vec<_> = scores(plain.network(), &[0.25, 0.5]).map(|score| (score.class, score.value)).collect();
    assert_eq!(found, [(None, 0.25), (None, 0.5)]);
}

#[test]
fn a_model_of_other_classes_is_refused() {
    let owned = |classes: &[&str]| classes.iter().map(|class| (*class).to_owned()).collect::<Vec<_>>();
    let found = |classes: &[&str], wanted: &[&str]| check_classes(&classed(1, classes), &owned(wanted)).unwrap_err();
    assert_eq!(check_classes(&classed(1, CLASSES), &owned(CLASSES)), Ok(()));
    assert_eq!(
        found(&["tram", "bus", "train"], CLASSES),
        "tells the classes tram, bus, train apart, and the pipeline's are bus, tram, train; train it again"
    );
    assert_eq!(
        found(CLASSES, &[]),
        "tells the classes bus, tram, train apart, and the pipeline's are none; train it again"
    );
    let plain = super::harness::model(1, &["amount"], "f");
    let named = check_classes(&plain, &owned(CLASSES)).unwrap_err();
    assert_eq!(named, "names no class, and the pipeline's are bus, tram, train; train it again");
    assert_eq!(check_classes(&plain, &owned(&["no", "yes"])), Ok(()), "two classes are one probability");
    assert!(found(&["no", "yes"], &["no", "yes"]).contains("objective: binary"));
}

#[test]
fn a_fence_with_a_model_of_other_classes_stops_the_task() {
    super::check_stop_of(
        Harness::of(shelf(), Arc::default(), &["bus", "tram", "ferry"]),
        "fence 1 m@1",
        &expect![
            "features/0: fence 1 cannot be honoured: model m@1 tells the classes bus, tram, train apart, and the pipeline's are bus, tram, ferry; train it again"
        ],
    );
}

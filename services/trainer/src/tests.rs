//! Tests of what needs no log: windows and configurations.

#![allow(clippy::unwrap_used)]

use crate::champion::Measure;
use crate::{Windows, config, requested};
use flow::config::{ClassWeight, Pipeline};
use training::{CategoryConfig, Dataset, Kind, Loss};

const DAY_US: i64 = 86_400_000_000;

fn pipeline() -> Pipeline {
    let text = include_str!("../../../topologies/pipelines/fraud.yaml");
    let resolve = |path: &str| schemas::contracts::avro(path).map(str::to_owned).ok_or_else(|| "no such schema".into());
    flow::config::parse(text, &resolve).unwrap()
}

#[test]
fn newest_windows_end_where_labels_are_complete() {
    let pipeline = pipeline();
    let windows = Windows::before(&pipeline, &pipeline.models[0], 100 * DAY_US, 7 * DAY_US);
    assert_eq!(windows.train.events_us, 85 * DAY_US..92 * DAY_US);
    assert_eq!(windows.holdout.events_us, 92 * DAY_US..93 * DAY_US);
    assert_eq!((windows.train.cutoff_us, windows.holdout.cutoff_us), (100 * DAY_US, 100 * DAY_US));
}

#[test]
fn a_request_names_its_training_window_and_the_holdout_follows() {
    let request = crate::Request {
        request: "r".into(),
        pipeline: "fraud".into(),
        model: "fraud".into(),
        reason: String::new(),
        incident: None,
        data_from_us: 0,
        data_to_us: 7 * DAY_US,
        requested_us: 15 * DAY_US,
    };
    let windows = requested(&pipeline(), &request);
    assert_eq!((windows.train.events_us, windows.holdout.events_us), (0..7 * DAY_US, 7 * DAY_US..8 * DAY_US));
    assert_eq!(windows.holdout.cutoff_us, 15 * DAY_US);
}

#[test]
fn training_is_told_what_the_pipeline_says() {
    let mut model = pipeline().models[0].clone();
    let rows = Dataset { label: vec![1.0, 0.0, 0.0, 0.0, 0.0], ..Dataset::default() };
    let told = config(&model, &[], &rows);
    assert_eq!(told.network, Kind::Mlp(vec![64, 32]));
    assert_eq!((told.epochs, told.batch_rows, told.top_per_day, told.seed), (40, 64, Some(100), 1));
    assert_eq!((told.learning_rate, told.dropout, told.positive_weight), (0.001, 0.2, 1.0));
    assert_eq!(told.early_stopping.map(|early| early.patience), Some(5));
    model.training.class_weight = ClassWeight::Balanced;
    assert_eq!(config(&model, &[], &rows).positive_weight, 4.0);
}

#[test]
fn a_model_of_a_number_is_trained_by_its_loss_and_alarms_only_where_declared() {
    let mut model = pipeline().models[0].clone();
    (model.objective, model.alert) = (flow::config::Objective::Regression, None);
    let rows = Dataset { label: vec![10.0, 250.5], ..Dataset::default() };
    let told = |model: &flow::config::Model| {
        let told = config(model, &[], &rows);
        (told.loss, told.top_per_day, told.alert_above, told.positive_weight)
    };
    assert_eq!(told(&model), (Loss::Squared, None, None, 1.0));
    model.training.loss = flow::config::Loss::Huber(0.5);
    model.alert = Some(flow::config::AlertRule::Above(300.0));
    assert_eq!(told(&model), (Loss::Huber(0.5), None, Some(300.0), 1.0));
    model.training.loss = flow::config::Loss::Quantile(0.9);
    model.alert = Some(flow::config::AlertRule::TopPerDay(7));
    assert_eq!(told(&model), (Loss::Quantile(0.9), Some(7), None, 1.0));
}

#[test]
fn a_model_of_classes_is_trained_by_their_softmax() {
    let mut model = pipeline().models[0].clone();
    (model.objective, model.alert) = (flow::config::Objective::Multiclass, None);
    let classes = ["bus", "tram", "train"].map(str::to_owned);
    let rows = Dataset { label: vec![0.0, 0.0, 1.0, 2.0, 0.0, 2.0], ..Dataset::default() };
    let told = config(&model, &classes, &rows);
    assert_eq!((told.loss, told.classes.as_slice(), told.positive_weight), (Loss::Softmax, &classes[..], 1.0));
    assert_eq!((told.top_per_day, told.alert_above, told.class_weights.len()), (None, None, 0));
    assert!(told.validate().is_ok());
    model.training.class_weight = ClassWeight::Balanced;
    assert_eq!(config(&model, &classes, &rows).class_weights, [2.0 / 3.0, 2.0, 1.0]);
}

#[test]
fn categories_are_learnt_as_the_pipeline_says_within_the_same_limits() {
    use ::model::network::{DIMENSION_MAX, EMBEDDINGS_MAX};
    use ::model::vocabulary::WORDS_MAX;
    use flow::config::{CATEGORIES_MAX, CATEGORY_DIMENSION_MAX, CATEGORY_WORDS_MAX, Category};
    let mut model = pipeline().models[0].clone();
    let rows = Dataset { label: vec![1.0, 0.0], ..Dataset::default() };
    assert_eq!(config(&model, &[], &rows).categories, []);
    model.categories = vec![Category { input: "terminal".into(), dimension: Some(3), words_max: 200, min_count: 4 }];
    let told = config(&model, &[], &rows).categories;
    let expected = CategoryConfig { input: "terminal".into(), dimension: Some(3), words_max: 200, min_count: 4 };
    assert_eq!(told, [expected]);
    let limits = (CATEGORIES_MAX, CATEGORY_DIMENSION_MAX as usize, CATEGORY_WORDS_MAX as usize);
    assert_eq!(limits, (EMBEDDINGS_MAX, DIMENSION_MAX, WORDS_MAX));
}

#[test]
fn the_loss_says_what_decides_between_candidate_and_champion() {
    let better = |loss, new, old| Measure::of(loss).is_better(new, old);
    assert!(better(Loss::Logistic, 0.7, 0.6) && !better(Loss::Logistic, 0.6, 0.6), "more precision is better");
    for loss in [Loss::Squared, Loss::Absolute, Loss::Huber(1.0), Loss::Quantile(0.9), Loss::Softmax] {
        assert!(better(loss, 60.0, 70.0) && !better(loss, 70.0, 60.0), "less of an error is better");
        assert!(!better(loss, f64::NAN, 70.0) && !better(loss, 60.0, f64::NAN), "what is no number wins nothing");
    }
}

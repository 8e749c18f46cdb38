//! Training on real transactions: the fraud handbook's developer split, measured as its authors do.
//!
//! Train on the week from 2018-06-18, test on the week from 2018-07-02 without the cards known by then. The settings
//! come from earlier weeks only (see `training::Config::recommended`).
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use tests::fraud;
use training::{Columns, Config, Dataset, Facts, Kind, Trained, evaluate, train};

const TRANSACTIONS: &str = "transactions_2018-04-01_2018-07-09.parquet";
const TRAIN_WEEK: &str = "features_2018-06-18_2018-06-24.parquet";
const TEST_WEEK: &str = "features_2018-07-02_2018-07-08.parquet";
const DAY_US: i64 = 86_400_000_000;
/// 2018-06-18 in days since 1970.
const START_DAY: i64 = 17_700;
const PER_DAY: u32 = 100;
const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;

/// Training and test rows of the split, or nothing and one line of explanation where the data is absent.
fn split() -> Option<(Dataset, Dataset)> {
    let folder = fraud::data()?;
    let cards = cards(&folder.join(TRANSACTIONS));
    let train_week = week(&folder.join(TRAIN_WEEK), &cards.of);
    let test_week = week(&folder.join(TEST_WEEK), &cards.of);
    let mut known: BTreeSet<i64> = (0..7).flat_map(|day| cards.defrauded(START_DAY + day)).collect();
    let mut kept = Vec::new();
    for day in 0..7 {
        known.extend(cards.defrauded(START_DAY + 6 + day));
        let rows = (0..test_week.len()).filter(|&row| {
            let on_day = test_week.time_us[row].div_euclid(DAY_US) == START_DAY + 14 + day;
            on_day && !known.contains(&test_week.entity[row].parse().unwrap())
        });
        kept.extend(rows);
    }
    Some((train_week, test_week.select(&kept)))
}

/// What the transactions say about cards.
struct Cards {
    /// Card by transaction.
    of: HashMap<i64, i64>,
    /// Cards with a fraud, by day.
    frauds: BTreeMap<i64, Vec<i64>>,
}

impl Cards {
    fn defrauded(&self, day: i64) -> Vec<i64> {
        self.frauds.get(&day).cloned().unwrap_or_default()
    }
}

fn cards(path: &Path) -> Cards {
    let columns = ["TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TX_FRAUD"];
    let mut cards = Cards { of: HashMap::new(), frauds: BTreeMap::new() };
    for batch in offline::table::read_columns(path, &columns).unwrap() {
        let [id, time_ms, card, fraud] = columns.map(|name| integers(&batch, name));
        for row in 0..batch.num_rows() {
            cards.of.insert(id[row], card[row]);
            if fraud[row] == 1 {
                cards.frauds.entry(time_ms[row].div_euclid(DAY_US / 1000)).or_default().push(card[row]);
            }
        }
    }
    cards
}

fn integers(batch: &RecordBatch, name: &str) -> Vec<i64> {
    cast(&batch[name], &DataType::Int64).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

/// A week of published features; every column that is neither id, time nor label is an input.
fn week(path: &Path, card_of: &HashMap<i64, i64>) -> Dataset {
    let batches = offline::table::read(path).unwrap();
    let schema = batches[0].schema();
    let others = ["TRANSACTION_ID", "TX_DATETIME", "TX_FRAUD"];
    let names = schema.fields().iter().map(|f| f.name().clone()).filter(|n| !others.contains(&n.as_str()));
    let columns = Columns {
        inputs: names.collect(),
        categories: Vec::new(),
        label: "TX_FRAUD".into(),
        time: "TX_DATETIME".into(),
        id: "TRANSACTION_ID".into(),
        entity: "TRANSACTION_ID".into(),
    };
    let mut dataset = Dataset::from_batches(&batches, &columns).unwrap();
    for entity in &mut dataset.entity {
        *entity = card_of[&entity.parse::<i64>().unwrap()].to_string();
    }
    dataset
}

/// AUC, average precision and card precision at 100 a day.
fn measures(trained: &Trained, test: &Dataset) -> [f64; 3] {
    let metrics = evaluate(&trained.score(&test.rows), test, PER_DAY).unwrap();
    ["roc_auc", "average_precision", "entity_precision_at_100"].map(|name| metrics[name].value)
}

#[test]
fn developer_split_has_the_published_counts() {
    let Some((train_week, test_week)) = split() else { return };
    assert_eq!((train_week.len(), train_week.positives()), (67_034, 613));
    assert_eq!((test_week.len(), test_week.positives()), (57_790, 426));
    assert_eq!(train_week.inputs.len(), 15);
}

/// Expected: scikit-learn's logistic regression on the same split (published reference and our own run).
#[test]
fn linear_model_equals_logistic_regression() {
    let Some((train_week, test_week)) = split() else { return };
    let trained = train(&Config::recommended(Kind::Linear, 1, PER_DAY), &train_week).unwrap();
    let measured = measures(&trained, &test_week);
    for (measured, expected) in measured.into_iter().zip([0.902, 0.644, 0.314]) {
        assert!((measured - expected).abs() <= 0.005, "{measured}, expected {expected}");
    }
}

#[test]
fn network_reaches_the_accuracy_that_peers_reach() {
    let Some((train_week, test_week)) = split() else { return };
    let runs: Vec<[f64; 3]> = SEEDS
        .map(|seed| {
            let config = Config::recommended(Kind::Mlp(vec![64, 32]), seed, PER_DAY);
            measures(&train(&config, &train_week).unwrap(), &test_week)
        })
        .collect();
    for (measure, least) in [0.897, 0.691, 0.315].into_iter().enumerate() {
        let mean = runs.iter().map(|run| run[measure]).sum::<f64>() / runs.len() as f64;
        assert!(mean >= least, "mean {mean} of measure {measure} is below {least}, runs: {runs:?}");
    }
    eprintln!("AUC, average precision, card precision at 100 by seed: {runs:?}");
}

#[test]
fn trained_model_passes_the_gate_and_scores_the_same_bits() {
    let Some((train_week, test_week)) = split() else { return };
    let config = Config { epochs: 1, ..Config::recommended(Kind::Mlp(vec![64, 32]), 1, PER_DAY) };
    let artefact = || {
        let trained = train(&config, &train_week).unwrap();
        let metrics = evaluate(&trained.score(&test_week.rows), &test_week, PER_DAY).unwrap();
        let feature_set = model::sha256_hex(b"handbook");
        let facts = Facts { name: "fraud".into(), parent: None, feature_set, metrics };
        (trained.artefact(facts).unwrap(), trained)
    };
    let (first, trained) = artefact();
    assert_eq!(first.digest(), artefact().0.digest());
    let model = model::Artefact::open_as(first.files(), first.digest()).unwrap();
    assert_eq!(model.network().score_rows(&test_week.rows).unwrap(), trained.score(&test_week.rows));
    // On the rows it was set on, the threshold keeps the capacity of 100 alerts on each of seven days.
    let alerts = trained.score(&train_week.rows).into_iter().filter(|&s| model.is_alert(s)).count();
    assert!((600..=700).contains(&alerts), "{alerts}");
}

//! Features of real transactions equal the published ones: 134,318 rows of the fraud handbook, 14 features each.
//!
//! Witness: the handbook's own feature files. Counts, risks and flags must be equal, means within 1e-9 of each other
//! relatively. (One published mean is -3.6e-15 over a single amount of zero: residue of a running sum that ours does not
//! have; amounts are whole cents, so 1e-12 is nothing.) Equal times go by transaction id as text; all ids of the published weeks have six digits, so this is
//! their order as numbers, which the files follow in the one place where it differs from file order.

use std::collections::HashMap;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, TimeUnit};
use features::offline::{Feature, Labels, Table, compute};
use features::spec::{Declaration, Group, Scope};
use flow::flaw::{Flaw, make};
use flow::sql::Expression;
use tests::fraud;

const TRANSACTIONS: &str = "transactions_2018-04-01_2018-07-09.parquet";
const WEEKS: [&str; 2] = ["features_2018-06-18_2018-06-24.parquet", "features_2018-07-02_2018-07-08.parquet"];
const PUBLISHED_ROWS: usize = 134_318;
const MEAN_TOLERANCE: f64 = 1e-9;
const ZERO_TOLERANCE: f64 = 1e-12;
const LABEL_DELAY_US: i64 = 7 * 86_400_000_000;
const ROW_FEATURES: [(&str, &str); 2] = [
    ("row_is_weekend", "extract(dow from event_time) in (0, 6)"),
    ("row_is_night", "extract(hour from event_time) <= 6"),
];
/// Published column and our feature.
const COLUMNS: [(&str, &str); 14] = [
    ("TX_DURING_WEEKEND", "row_is_weekend"),
    ("TX_DURING_NIGHT", "row_is_night"),
    ("CUSTOMER_ID_NB_TX_1DAY_WINDOW", "customer_tx_count_1d"),
    ("CUSTOMER_ID_NB_TX_7DAY_WINDOW", "customer_tx_count_7d"),
    ("CUSTOMER_ID_NB_TX_30DAY_WINDOW", "customer_tx_count_30d"),
    ("CUSTOMER_ID_AVG_AMOUNT_1DAY_WINDOW", "customer_tx_amount_avg_1d"),
    ("CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW", "customer_tx_amount_avg_7d"),
    ("CUSTOMER_ID_AVG_AMOUNT_30DAY_WINDOW", "customer_tx_amount_avg_30d"),
    ("TERMINAL_ID_NB_TX_1DAY_WINDOW", "terminal_tx_count_1d"),
    ("TERMINAL_ID_NB_TX_7DAY_WINDOW", "terminal_tx_count_7d"),
    ("TERMINAL_ID_NB_TX_30DAY_WINDOW", "terminal_tx_count_30d"),
    ("TERMINAL_ID_RISK_1DAY_WINDOW", "terminal_risk_1d"),
    ("TERMINAL_ID_RISK_7DAY_WINDOW", "terminal_risk_7d"),
    ("TERMINAL_ID_RISK_30DAY_WINDOW", "terminal_risk_30d"),
];

#[test]
fn offline_features_equal_the_published_rows() {
    let Some(folder) = fraud::data() else { return };
    let transactions = read(&folder.join(TRANSACTIONS));
    let ids = int64(&transactions, "TRANSACTION_ID");
    let places: HashMap<i64, usize> = ids.iter().enumerate().map(|(row, id)| (*id, row)).collect();
    let features: HashMap<String, Float64Array> =
        features_of(&transactions).into_iter().map(|feature| (feature.name, feature.values)).collect();
    let mut rows = 0;
    for week in WEEKS {
        let published = read(&folder.join(week));
        let at: Vec<usize> = int64(&published, "TRANSACTION_ID").iter().map(|id| places[id]).collect();
        rows += at.len();
        for (column, name) in COLUMNS {
            let expected = doubles(&published, column);
            let differing: Vec<String> = (0..at.len())
                .filter(|row| !equal(name, features[name].value(at[*row]), expected.value(*row)))
                .map(|row| format!("{}: {} for {}", ids[at[row]], features[name].value(at[row]), expected.value(row)))
                .collect();
            let some = &differing[..differing.len().min(5)];
            assert!(differing.is_empty(), "{week}: {name} differs in {} rows, such as {some:?}", differing.len());
        }
    }
    assert_eq!(rows, PUBLISHED_ROWS);
}

#[test]
fn a_window_that_is_longer_by_its_edge_is_noticed() {
    if fraud::data().is_none() {
        return;
    }
    let _made = make(&[Flaw::WindowClosed]);
    assert!(catch_unwind(offline_features_equal_the_published_rows).is_err());
}

fn equal(name: &str, found: f64, expected: f64) -> bool {
    let near = (found - expected).abs() <= (MEAN_TOLERANCE * expected.abs()).max(ZERO_TOLERANCE);
    if name.contains("avg") { near } else { found == expected }
}

fn features_of(transactions: &RecordBatch) -> Vec<Feature> {
    let times_us: Vec<i64> = int64(transactions, "TX_DATETIME").iter().map(|time_ms| time_ms * 1_000).collect();
    let known_us: Vec<i64> = times_us.iter().map(|time_us| time_us + LABEL_DELAY_US).collect();
    let table = Table {
        ids: Some(column(transactions, "TRANSACTION_ID")),
        times_us: &times_us,
        origins: None,
        keys: vec![column(transactions, "CUSTOMER_ID"), column(transactions, "TERMINAL_ID")],
        columns: vec![("amount".into(), Arc::new(doubles(transactions, "TX_AMOUNT")))],
        labels: Some(Labels { values: doubles(transactions, "TX_FRAUD"), known_us: &known_us }),
    };
    let customer = [("tx_count", "count()"), ("tx_amount_avg", "avg(amount)")];
    let terminal = [("tx_count", "count()"), ("risk", "coalesce(avg(is_fraud), 0)")];
    let groups = [group("customer", "0s", &customer), group("terminal", "7d", &terminal)];
    let mut features = compute(&groups, &table).unwrap();
    features.extend(row_features(&times_us));
    features
}

fn row_features(times_us: &[i64]) -> Vec<Feature> {
    let of = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let times: ArrayRef = Arc::new(arrow::array::Int64Array::from(times_us.to_vec()));
    let schema = Arc::new(Schema::new(vec![Field::new("event_time", of.clone(), false)]));
    let batch = RecordBatch::try_new(schema.clone(), vec![cast(&times, &of).unwrap()]).unwrap();
    let evaluate = |(name, sql): (&str, &str)| {
        let values = Expression::compile(sql, &schema).unwrap().doubles(&batch).unwrap();
        Feature { name: name.into(), values }
    };
    ROW_FEATURES.into_iter().map(evaluate).collect()
}

fn group(name: &str, delay: &str, aggregates: &[(&str, &str)]) -> Group {
    let declaration = Declaration {
        name,
        key: "id",
        windows: vec!["1d", "7d", "30d"],
        delay: Some(delay),
        aggregates: aggregates.to_vec(),
    };
    Group::parse(
        &declaration,
        &Scope { numeric: vec!["amount"], texts: vec![], other: vec![], target: Some("is_fraud") },
    )
    .unwrap()
}

fn read(path: &Path) -> RecordBatch {
    let batches = offline::table::read(path).unwrap();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn column(batch: &RecordBatch, name: &str) -> ArrayRef {
    batch.column_by_name(name).unwrap().clone()
}

fn doubles(batch: &RecordBatch, name: &str) -> Float64Array {
    cast(&column(batch, name), &DataType::Float64).unwrap().as_primitive::<Float64Type>().clone()
}

fn int64(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let cast = cast(&column(batch, name), &DataType::Int64).unwrap();
    assert_eq!(cast.null_count(), 0);
    cast.as_primitive::<Int64Type>().values().to_vec()
}

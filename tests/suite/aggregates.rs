//! Every aggregate and derived features, streamed through two stages and computed over the file: the same bits.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, Float64Array};
use features::stage::derived;
use registry::store::Store;
use tests::fraud::{Transactions, data};
use tests::pipeline::{Deployment, fraud};

use crate::streaming::{arrivals, deployment_records};

/// Quiet long enough for sources that are through, far longer than any pause while records are there.
const IDLE: Duration = Duration::from_secs(5);
const FROM_DAY: i64 = 41;
/// Labels come after a week.
const DAYS: i64 = 10;
/// One customer in so many.
const CUSTOMERS: i32 = 20;
const CUSTOMER: &str = "        tx_count: count()
        first: first(amount)
        rate: rate(where amount > 100)
        distinct: distinct(terminal_id where terminal_id < 5000)
        high: quantile(amount, 0.9)
        mode: most_frequent(terminal_id)
        burst: ratio(sum(amount), 1d, 7d)
        heat: decayed_sum(amount, 6h)
        prompt: { of: count(), late: skip }
        spent: { of: sum(amount), late: skip, if_null: 0 }
        usual: coalesce(decayed_avg(amount, 1d where amount > 10), -1)
";
const TERMINAL: &str = "        risk: coalesce(avg(is_fraud), 0)
        fresh: decayed_count(12h)
        worst: quantile(is_fraud, 1)
";
const DERIVED: &str = "  derived:
    above: derived_share > 1 and row_is_night = 0
    share: amount / nullif(customer_usual, 0)
    both: terminal_fresh + customer_heat
  entities: ";

fn pipeline() -> flow::config::Pipeline {
    fraud(&[
        ("ordering: arrival", "ordering: event_time"),
        ("        tx_count: count()\n        tx_amount_avg", &format!("{CUSTOMER}        tx_amount_avg")),
        ("        risk: coalesce(avg(is_fraud), 0)\n", TERMINAL),
        ("  entities: ", DERIVED),
    ])
}

/// The transactions of some customers.
fn some(rows: Transactions) -> Transactions {
    let kept: Vec<usize> = (0..rows.len()).filter(|row| rows.customer[*row] % CUSTOMERS == 0).collect();
    Transactions {
        id: kept.iter().map(|row| rows.id[*row]).collect(),
        time_ms: kept.iter().map(|row| rows.time_ms[*row]).collect(),
        customer: kept.iter().map(|row| rows.customer[*row]).collect(),
        terminal: kept.iter().map(|row| rows.terminal[*row]).collect(),
        amount: kept.iter().map(|row| rows.amount[*row]).collect(),
        fraud: kept.iter().map(|row| rows.fraud[*row]).collect(),
    }
}

fn bits(values: &Float64Array, row: usize) -> Option<u64> {
    values.is_valid(row).then(|| values.value(row).to_bits())
}

#[test]
fn streamed_aggregates_and_derived_features_are_those_of_the_file() {
    let Some(folder) = data() else { return };
    let rows = some(Transactions::days(&folder, FROM_DAY, FROM_DAY + DAYS));
    let dir = tempfile::tempdir().unwrap();
    let log = runtime::embedded::Embedded::open(dir.path().join("log")).unwrap();
    let pipeline = pipeline();
    let names = pipeline.features.names();
    let deployment = Deployment::new(Arc::new(log), Store::local(&dir.path().join("store")).unwrap(), pipeline.clone());
    for labels in [false, true] {
        let order: Vec<(usize, i32)> =
            arrivals(&rows).iter().filter(|one| one.3 == labels).map(|one| (one.1, one.2)).collect();
        deployment.publish(deployment_records(&deployment, &rows, &order, labels));
    }
    let running = deployment.start(Duration::ZERO, IDLE);
    let streamed = deployment.features(rows.len(), &running);
    assert_eq!(running.stop(), Vec::<String>::new());

    let windows = rows.offline(&pipeline);
    let of_row: Vec<Float64Array> =
        (0..2).map(|at| rows.id.iter().map(|id| streamed[&id.to_string()][at]).collect::<Float64Array>()).collect();
    let mut expected: Vec<&Float64Array> = of_row.iter().chain(&windows).collect();
    let amounts: ArrayRef = Arc::new(Float64Array::from(rows.amount.clone()));
    let column = |name: &str| match name {
        "amount" => Some(amounts.clone()),
        _ => {
            let at = names.iter().position(|other| other == name)?;
            expected.get(at).map(|values| Arc::new((*values).clone()) as ArrayRef)
        }
    };
    let computed = derived(&pipeline).unwrap().compute(rows.len(), column).unwrap();
    expected.extend(&computed);
    assert_eq!(names.len(), expected.len());
    for (at, id) in rows.id.iter().enumerate() {
        let row = &streamed[&id.to_string()];
        for ((name, values), found) in names.iter().zip(&expected).zip(row) {
            assert_eq!(found.map(f64::to_bits), bits(values, at), "{name} of {id}");
        }
    }
    // None of them is always missing.
    for (name, values) in names.iter().zip(&expected) {
        assert!(values.null_count() < rows.len(), "{name} is always null");
    }
}

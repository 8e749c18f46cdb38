//! The fraud handbook's transactions as records of the fraud pipeline, and its published features to compare with.
//! The data is not part of the project; tests that want it say so when it is absent.

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch};
use arrow::array::{TimestampMillisecondArray, TimestampMillisecondBuilder};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMillisecondType};
use bytes::Bytes;
use runtime::context::Context;
use runtime::log::Publish;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::data;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;
/// Labels become known a week after the transaction.
pub const LABEL_DELAY_MS: i64 = 7 * DAY_MS;

/// Transactions, in time order.
#[derive(Debug, Clone, Default)]
pub struct Transactions {
    /// Event ids.
    pub id: Vec<i64>,
    /// Event times.
    pub time_ms: Vec<i64>,
    /// Cards.
    pub customer: Vec<i32>,
    /// Terminals.
    pub terminal: Vec<i32>,
    /// Amounts.
    pub amount: Vec<f64>,
    /// Labels.
    pub fraud: Vec<bool>,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct Transaction {
    /// Event id.
    pub id: i64,
    /// Event time.
    pub time_ms: i64,
    /// Card.
    pub customer: i32,
    /// Terminal.
    pub terminal: i32,
    /// Amount.
    pub amount: f64,
    /// Label.
    pub fraud: bool,
}

impl FromIterator<Transaction> for Transactions {
    fn from_iter<I: IntoIterator<Item = Transaction>>(all: I) -> Self {
        let mut rows = Transactions::default();
        for Transaction { id, time_ms, customer, terminal, amount, fraud } in all {
            rows.id.push(id);
            rows.time_ms.push(time_ms);
            rows.customer.push(customer);
            rows.terminal.push(terminal);
            rows.amount.push(amount);
            rows.fraud.push(fraud);
        }
        rows
    }
}

/// The folder with the handbook's files, or nothing, said in one line.
pub fn data() -> Option<PathBuf> {
    data::folder("fraud-handbook")
}

fn read(path: PathBuf) -> RecordBatch {
    let batches = offline::table::read(&path).unwrap_or_else(|error| panic!("{error}"));
    concat_batches(&batches[0].schema(), &batches).unwrap_or_else(|error| panic!("{error}"))
}

fn column(batch: &RecordBatch, name: &str, to: &DataType) -> ArrayRef {
    let found = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    cast(found, to).unwrap_or_else(|error| panic!("{name}: {error}"))
}

impl Transactions {
    /// All transactions of the folder with event times in the given range of days since 2018-04-01.
    pub fn days(folder: &std::path::Path, from: i64, to: i64) -> Self {
        let batch = read(folder.join("transactions_2018-04-01_2018-07-09.parquet"));
        let time = column(&batch, "TX_DATETIME", &DataType::Timestamp(TimeUnit::Millisecond, None));
        let time = time.as_primitive::<TimestampMillisecondType>();
        let id = column(&batch, "TRANSACTION_ID", &DataType::Int64);
        let customer = column(&batch, "CUSTOMER_ID", &DataType::Int32);
        let terminal = column(&batch, "TERMINAL_ID", &DataType::Int32);
        let amount = column(&batch, "TX_AMOUNT", &DataType::Float64);
        let fraud = column(&batch, "TX_FRAUD", &DataType::Int32);
        let day0 = 1_522_540_800_000; // 2018-04-01 00:00 UTC.
        let transaction = |row: usize| Transaction {
            id: id.as_primitive::<Int64Type>().value(row),
            time_ms: time.value(row),
            customer: customer.as_primitive::<Int32Type>().value(row),
            terminal: terminal.as_primitive::<Int32Type>().value(row),
            amount: amount.as_primitive::<Float64Type>().value(row),
            fraud: fraud.as_primitive::<Int32Type>().value(row) != 0,
        };
        let range = day0 + from * DAY_MS..day0 + to * DAY_MS;
        (0..batch.num_rows()).map(transaction).filter(|row| range.contains(&row.time_ms)).collect()
    }

    /// All rows in order, each with a source partition, in turn.
    pub fn spread(&self, partitions: i32) -> Vec<(usize, i32)> {
        (0..self.id.len()).map(|row| (row, (row % partitions as usize) as i32)).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    /// The named rows as records of the events topic, to the given partitions.
    pub fn events(&self, context: &Context, order: &[(usize, i32)]) -> Vec<Publish> {
        let topic = &context.plan.names.events;
        let pick = |rows: &[(usize, i32)]| rows.iter().map(|(row, _)| *row).collect::<Vec<_>>();
        let rows = pick(order);
        let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| self.time_ms[*row]));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| self.id[*row]))),
            Arc::new(times),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| self.customer[*row]))),
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| self.terminal[*row]))),
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| self.amount[*row]))),
        ];
        self.records(context, topic, columns, order)
    }

    /// The named rows' labels as records of the labels topic.
    pub fn labels(&self, context: &Context, order: &[(usize, i32)]) -> Vec<Publish> {
        let topic = context.plan.names.labels.as_ref().unwrap_or_else(|| panic!("the pipeline has labels"));
        let mut known = TimestampMillisecondBuilder::new();
        known.extend(order.iter().map(|(row, _)| Some(self.time_ms[*row] + LABEL_DELAY_MS)));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(order.iter().map(|(row, _)| self.id[*row]))),
            Arc::new(order.iter().map(|(row, _)| Some(self.fraud[*row])).collect::<BooleanArray>()),
            Arc::new(known.finish()),
        ];
        self.records(context, topic, columns, order)
    }

    fn records(&self, context: &Context, topic: &str, columns: Vec<ArrayRef>, order: &[(usize, i32)]) -> Vec<Publish> {
        let mut encoder = context.encoder(topic).unwrap_or_else(|error| panic!("{error}"));
        let schema = encoder.schema().clone();
        let columns = columns.iter().zip(schema.fields()).map(|(column, field)| {
            cast(column, field.data_type()).unwrap_or_else(|error| panic!("{}: {error}", field.name()))
        });
        let batch = RecordBatch::try_new(schema.clone(), columns.collect()).unwrap_or_else(|error| panic!("{error}"));
        let encoded = encoder.encode(&batch).unwrap_or_else(|error| panic!("{error}"));
        let topic: Arc<str> = topic.into();
        let record = |((row, partition), value): (&(usize, i32), Bytes)| Publish {
            partition: Some(*partition),
            key: Some(Bytes::from(self.id[*row].to_string())),
            ..Publish::keyed(topic.clone(), Bytes::new(), value)
        };
        order.iter().zip(encoded.iter()).map(record).collect()
    }
}

/// The handbook's features of both published weeks, by transaction: the 14 columns in the pipeline's order.
pub fn published(folder: &std::path::Path) -> HashMap<i64, [f64; 14]> {
    let mut rows = HashMap::new();
    for file in ["features_2018-06-18_2018-06-24.parquet", "features_2018-07-02_2018-07-08.parquet"] {
        let batch = read(folder.join(file));
        let id = column(&batch, "TRANSACTION_ID", &DataType::Int64);
        let columns: Vec<ArrayRef> =
            PUBLISHED.iter().map(|(_, name)| column(&batch, name, &DataType::Float64)).collect();
        for row in 0..batch.num_rows() {
            let values = std::array::from_fn(|at| columns[at].as_primitive::<Float64Type>().value(row));
            rows.insert(id.as_primitive::<Int64Type>().value(row), values);
        }
    }
    rows
}

/// Our feature names and the handbook's columns.
pub const PUBLISHED: [(&str, &str); 14] = [
    ("row_is_weekend", "TX_DURING_WEEKEND"),
    ("row_is_night", "TX_DURING_NIGHT"),
    ("customer_tx_count_1d", "CUSTOMER_ID_NB_TX_1DAY_WINDOW"),
    ("customer_tx_count_7d", "CUSTOMER_ID_NB_TX_7DAY_WINDOW"),
    ("customer_tx_count_30d", "CUSTOMER_ID_NB_TX_30DAY_WINDOW"),
    ("customer_tx_amount_avg_1d", "CUSTOMER_ID_AVG_AMOUNT_1DAY_WINDOW"),
    ("customer_tx_amount_avg_7d", "CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW"),
    ("customer_tx_amount_avg_30d", "CUSTOMER_ID_AVG_AMOUNT_30DAY_WINDOW"),
    ("terminal_tx_count_1d", "TERMINAL_ID_NB_TX_1DAY_WINDOW"),
    ("terminal_tx_count_7d", "TERMINAL_ID_NB_TX_7DAY_WINDOW"),
    ("terminal_tx_count_30d", "TERMINAL_ID_NB_TX_30DAY_WINDOW"),
    ("terminal_risk_1d", "TERMINAL_ID_RISK_1DAY_WINDOW"),
    ("terminal_risk_7d", "TERMINAL_ID_RISK_7DAY_WINDOW"),
    ("terminal_risk_30d", "TERMINAL_ID_RISK_30DAY_WINDOW"),
];

/// Whether a feature of ours equals the handbook's: counts, risks and flags to the bit, averages to 1e-9 relative. The
/// handbook's averages of nothing but zeros came out as some 1e-15, so below a hundredth of a cent the distance counts.
pub fn equal(at: usize, ours: f64, theirs: f64) -> bool {
    if (5..8).contains(&at) { (ours - theirs).abs() <= 1e-9 * theirs.abs().max(1e-4) } else { ours == theirs }
}

impl Transactions {
    /// The windowed features of all transactions, computed over whole columns: what streaming must equal to the bit.
    pub fn offline(&self, pipeline: &flow::config::Pipeline) -> Vec<Float64Array> {
        let groups: Vec<_> = pipeline
            .features
            .entities
            .iter()
            .map(|entity| features::stage::group(pipeline, entity).unwrap_or_else(|error| panic!("{error}")))
            .collect();
        let times_us: Vec<i64> = self.time_ms.iter().map(|time| time * 1_000).collect();
        let known_us: Vec<i64> = times_us.iter().map(|time| time + LABEL_DELAY_MS * 1_000).collect();
        let values = self.fraud.iter().map(|fraud| Some(f64::from(u8::from(*fraud)))).collect();
        let table = features::offline::Table {
            ids: Some(Arc::new(Int64Array::from(self.id.clone()))),
            times_us: &times_us,
            origins: None,
            keys: vec![
                Arc::new(Int32Array::from(self.customer.clone())),
                Arc::new(Int32Array::from(self.terminal.clone())),
            ],
            columns: vec![
                ("amount".into(), Arc::new(Float64Array::from(self.amount.clone()))),
                ("terminal_id".into(), Arc::new(Int32Array::from(self.terminal.clone()))),
            ],
            labels: Some(features::offline::Labels { values, known_us: &known_us }),
        };
        let features = features::offline::compute(&groups, &table).unwrap_or_else(|error| panic!("{error}"));
        features.into_iter().map(|feature| feature.values).collect()
    }
}

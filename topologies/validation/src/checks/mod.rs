//! One version of a source's rules, compiled: judges decoded batches column by column and says everything that is wrong
//! with each row.

mod columns;
mod impute;
mod labels;
mod sql;
mod work;

use arrow::array::{Array, RecordBatch, StringArray};
use schemas::json::Unknown;
use schemas::key::KEY_BYTES_MAX;
use schemas::reject::Code;

use crate::columns::{texts, times_us};
use crate::faults::Faults;
use crate::rules::RuleSet;
use crate::source::{Error, Kind, Source};
use work::Work;

pub use work::Findings;

/// Earliest time a record may carry: 1900-01-01.
pub const TIME_MIN_US: i64 = -2_208_988_800_000_000;
/// Time that no record reaches: 10000-01-01.
pub const TIME_END_US: i64 = 253_402_300_800_000_000;

/// A compiled rule set.
#[derive(Debug)]
pub struct Checks {
    lateness_us: i64,
    max_future_us: i64,
    id: usize,
    kind: Kind,
    unknown: Unknown,
    floats: Vec<usize>,
    bounds: Vec<columns::Limits>,
    conditions: Vec<sql::Rule>,
}

/// What a batch's rows say, and what is wrong with them.
#[derive(Debug)]
pub struct Judged {
    /// Event ids; null or empty only in faulty rows.
    pub ids: StringArray,
    /// Times of the items; meaningless in faulty rows.
    pub times_us: Vec<i64>,
    /// Keys of the first entity, for events.
    pub keys: Option<StringArray>,
    /// Label values, for labels; meaningless in faulty rows.
    pub labels: Option<Vec<f64>>,
    /// The faults.
    pub faults: Faults,
    /// The rows with values put in place of others.
    pub batch: RecordBatch,
    /// What was found in rows without faults, each name once in a row.
    pub findings: Findings,
}

impl Checks {
    /// Compiles a rule set for a source.
    pub fn compile(source: &Source, rules: &RuleSet) -> Result<Self, Error> {
        let fields = source.schema.fields();
        let floats = fields.iter().enumerate().filter(|(_, field)| field.data_type().is_floating());
        let bounds = rules.fields.iter().map(|bound| columns::Limits::compile(source, bound));
        let conditions = rules.conditions.iter().map(|condition| sql::Rule::compile(source, condition));
        Ok(Checks {
            lateness_us: rules.lateness_us,
            max_future_us: rules.max_future_us,
            id: source.id,
            kind: source.kind.clone(),
            unknown: if rules.reject_unknown { Unknown::Reject } else { Unknown::Ignore },
            floats: floats.map(|(at, _)| at).collect(),
            bounds: bounds.collect::<Result<_, _>>()?,
            conditions: conditions.collect::<Result<_, _>>()?,
        })
    }

    /// How far an item may lie behind the greatest time of its source partition.
    pub fn lateness_us(&self) -> i64 {
        self.lateness_us
    }

    /// What becomes of fields that a source in JSON has and its schema has not.
    pub fn unknown(&self) -> Unknown {
        self.unknown
    }

    /// Judges all rows; `append_time_ms` holds each row's append time.
    pub fn judge(&self, batch: &RecordBatch, append_time_ms: &[i64]) -> Judged {
        let mut work = Work::new(batch.clone());
        self.bounds.iter().for_each(|limits| limits.fill(&mut work));
        let ids = texts(batch.column(self.id));
        check_ids(&ids, &mut work.faults);
        let times_us = self.times(batch, append_time_ms, &mut work.faults);
        for column in &self.floats {
            if self.label_column() != Some(*column) {
                columns::check_finite(&work.batch, *column, &mut work.faults);
            }
        }
        self.bounds.iter().for_each(|limits| limits.check(&mut work));
        let faults = &mut work.faults;
        let (keys, labels) = match &self.kind {
            Kind::Events { key, keys, .. } => {
                let first = texts(batch.column(*key));
                for column in keys {
                    match column == key {
                        true => check_key(batch, *column, &first, faults),
                        false if batch.column(*column).data_type().is_integer() => {}
                        false => check_key(batch, *column, &texts(batch.column(*column)), faults),
                    }
                }
                (Some(first), None)
            }
            Kind::Labels { target, values, .. } => (None, Some(labels::check(batch, (*target, values), faults))),
        };
        self.conditions.iter().for_each(|rule| rule.check(&mut work));
        let Work { batch, faults, mut findings } = work;
        findings.settle(&faults);
        Judged { ids, times_us, keys, labels, faults, batch, findings }
    }

    fn label_column(&self) -> Option<usize> {
        match self.kind {
            Kind::Labels { target, .. } => Some(target),
            Kind::Events { .. } => None,
        }
    }

    /// The items' times: the event time, or the time a label became known, or the append time where it does not say.
    fn times(&self, batch: &RecordBatch, append_time_ms: &[i64], faults: &mut Faults) -> Vec<i64> {
        let (column, appended) = match self.kind {
            Kind::Events { time, .. } => (Some(time), false),
            Kind::Labels { known, .. } => (known, true),
        };
        let Some(column) = column else {
            return append_time_ms.iter().map(|ms| ms.saturating_mul(1_000)).collect();
        };
        let array = batch.column(column);
        let name = batch.schema_ref().field(column).name();
        let mut times = Vec::with_capacity(batch.num_rows());
        for (row, time_us) in times_us(array).into_iter().enumerate() {
            let append_us = append_time_ms[row].saturating_mul(1_000);
            let latest_us = append_us.saturating_add(self.max_future_us);
            let time_us = match time_us {
                None if appended && array.is_null(row) => Some(append_us),
                other => other,
            };
            times.push(time_us.unwrap_or_default());
            match time_us {
                Some(us) if (TIME_MIN_US..=latest_us).contains(&us) && us < TIME_END_US => {}
                Some(us) if (TIME_MIN_US..TIME_END_US).contains(&us) => {
                    let ahead_s = us.saturating_sub(append_us) / 1_000_000;
                    let allowed_s = self.max_future_us / 1_000_000;
                    let detail = format!(
                        "{name} is {us} µs, {ahead_s} s ahead of the append time; at most {allowed_s} s are allowed"
                    );
                    faults.push(row, Code::TimeFuture, detail);
                }
                Some(us) => {
                    faults.push(row, Code::TimeInvalid, format!("{name} is {us} µs, outside of years 1900 to 9999"))
                }
                None if array.is_null(row) => faults.push(row, Code::TimeInvalid, format!("{name} is null")),
                None => faults.push(row, Code::TimeInvalid, format!("{name} does not fit into microseconds")),
            }
        }
        times
    }
}

fn check_ids(ids: &StringArray, faults: &mut Faults) {
    for row in 0..ids.len() {
        if ids.is_null(row) || ids.value(row).is_empty() {
            faults.push(row, Code::IdMissing, "the event id is null or empty");
        } else if ids.value(row).len() > KEY_BYTES_MAX {
            let bytes = ids.value(row).len();
            let detail = format!("the event id has {bytes} bytes; at most {KEY_BYTES_MAX} are allowed");
            faults.push(row, Code::KeyInvalid, detail);
        }
    }
}

fn check_key(batch: &RecordBatch, column: usize, keys: &StringArray, faults: &mut Faults) {
    for (row, ends) in keys.value_offsets().windows(2).enumerate() {
        let bytes = (ends[1] - ends[0]) as usize;
        if bytes > KEY_BYTES_MAX && keys.is_valid(row) {
            let name = batch.schema_ref().field(column).name();
            let detail = format!("key {name} has {bytes} bytes; at most {KEY_BYTES_MAX} are allowed");
            faults.push(row, Code::KeyInvalid, detail);
        }
    }
}

//! What the first step hands to the second: counts per reference bin, window of event time and model. Counts of
//! partitions add up, in any order.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use flow::fence::ModelRef;
use model::Column;
use serde::{Deserialize, Serialize};

/// Which step-one task a sketch comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The features log.
    Inputs,
    /// The journal's predictions.
    Scores,
}

impl Source {
    /// As topics spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Source::Inputs => "inputs",
            Source::Scores => "scores",
        }
    }
}

/// Counts of one column in one window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnSketch {
    /// Name of the input, or `score`.
    pub name: String,
    /// Values per bin of the reference.
    pub counts: Vec<u64>,
    /// Events without a value.
    pub nulls: u64,
    /// Values that are not finite.
    pub nans: u64,
}

impl ColumnSketch {
    /// Nothing counted yet, in the bins of a reference.
    pub(crate) fn new(reference: &Column) -> Self {
        ColumnSketch { name: reference.name.clone(), counts: vec![0; reference.counts.len()], nulls: 0, nans: 0 }
    }

    /// Counts a value.
    pub(crate) fn add(&mut self, reference: &Column, value: Option<f64>) {
        match value {
            // What rounds to infinity is infinite to the model, too.
            Some(value) if (value as f32).is_finite() => self.counts[reference.bin(value)] += 1,
            Some(_) => self.nans += 1,
            None => self.nulls += 1,
        }
    }

    /// Everything counted.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.nulls + self.nans
    }

    /// Adds the counts of another partition.
    fn merge(&mut self, other: &ColumnSketch) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.nulls += other.nulls;
        self.nans += other.nans;
    }
}

/// One window and model in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    /// First event time of the window.
    pub start_us: i64,
    /// Name of the model in force.
    pub model: String,
    /// Its version.
    pub version: u64,
    /// Its digest.
    pub digest: String,
    /// Events counted.
    pub events: u64,
    /// The columns.
    pub columns: Vec<ColumnSketch>,
}

impl Sketch {
    /// The model in force.
    pub(crate) fn model_ref(&self) -> ModelRef {
        ModelRef { name: self.model.clone(), version: self.version, digest: self.digest.clone() }
    }

    /// Adds the counts of another partition or source of the same window and model.
    pub(crate) fn merge(&mut self, other: &Sketch) {
        self.events += other.events;
        for column in &other.columns {
            match self.columns.iter_mut().find(|known| known.name == column.name) {
                Some(known) => known.merge(column),
                None => self.columns.push(column.clone()),
            }
        }
    }
}

/// One emission of a step-one task: everything below `closed_us` is complete in this partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketches {
    /// The monitor.
    pub monitor: String,
    /// Which log was read.
    pub source: Source,
    /// Partition of that log.
    pub partition: u16,
    /// End of the last complete window; a later emission of the partition has a greater one.
    pub closed_us: i64,
    /// The windows that were completed and had events.
    pub windows: Vec<Sketch>,
}

impl Sketches {
    /// Rows of the sketches topic.
    pub(crate) fn to_batch(rows: &[Self], schema: &arrow::datatypes::SchemaRef) -> Result<RecordBatch, ArrowError> {
        let mut decoder = arrow::json::ReaderBuilder::new(schema.clone()).build_decoder()?;
        decoder.serialize(rows)?;
        Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(schema.clone())))
    }

    /// Rows of that topic, read again.
    pub(crate) fn from_batch(batch: &RecordBatch) -> Result<Vec<Self>, ArrowError> {
        let mut writer = arrow::json::ArrayWriter::new(Vec::new());
        writer.write(batch)?;
        writer.finish()?;
        let bytes = writer.into_inner();
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_slice(&bytes).map_err(|error| ArrowError::JsonError(error.to_string()))
    }
}

//! `tidemill score`: scores of a file's rows, with the bits that streaming gives.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use offline::table::Table;
use serde_json::json;
use trainer::{Classes, Scored};

use crate::cli::Global;
use crate::cli::models::Score;
use crate::environment::Workshop;
use crate::error::Error;
use crate::output::Output;

/// Columns with the results.
const SCORE: &str = "score";
const DECISION: &str = "decision";
const CLASS: &str = "class";
const PROBABILITIES: &str = "probabilities";
/// Columns of an archived log that stand for a pipeline's id and event time.
const ARCHIVED: [&str; 2] = ["id", "time"];

pub fn run(global: &Global, output: Output, options: &Score) -> Result<(), Error> {
    let workshop = Workshop::open(global)?;
    let (published, model) = trainer::open(&workshop.models(), &options.model.name, options.model.version)?;
    trainer::check_classes(&model, workshop.pipeline.classes())?;
    trainer::check_feature_set(&model, &workshop.pipeline.features.digest)?;
    let own = model.manifest().threshold.as_ref().map(|threshold| f64::from(threshold.value));
    let threshold = options.threshold.or(own);
    let of_classes = model.network().outputs() > 1;
    if of_classes && threshold.is_some() {
        let (name, version) = (&published.name, published.version);
        let problem = "tells more than two classes apart, and nothing is decided of them; leave --threshold out";
        return Err(Error::Input(format!("{name}@{version} {problem}")));
    }
    let table = Table::open(&options.file)?;
    let events = &workshop.pipeline.events;
    let kept = kept(&table.schema(), &options.file, [&events.id, &events.event_time])?;
    let (mut parts, mut alerts, mut unknown) = (Vec::new(), 0, BTreeMap::new());
    for rows in table.scan() {
        let part = scored(&model, &rows?, kept, threshold).map_err(|error| place(error, &options.file))?;
        alerts += part.alerts;
        part.unknown.into_iter().for_each(|(input, count)| *unknown.entry(input).or_insert(0_u64) += count);
        parts.push(part.rows);
    }
    let schema = schema(&table.schema(), kept, threshold.is_some(), of_classes);
    offline::table::write(&options.out, schema, &parts)?;
    let rows: usize = parts.iter().map(RecordBatch::num_rows).sum();
    let (name, version, out) = (&published.name, published.version, options.out.display());
    output.show(
        || {
            let decided = threshold.map(|threshold| format!("; {alerts} are at or above {threshold}"));
            let unknown = unknown.iter().map(|(input, count)| format!("; {count} have an unknown {input}"));
            let rest: String = decided.into_iter().chain(unknown).collect();
            format!("{rows} rows scored by {name}@{version} in {out}{rest}")
        },
        || {
            json!({
                "name": name,
                "version": version,
                "digest": published.digest,
                "out": out.to_string(),
                "rows": rows,
                "alerts": threshold.map(|_| alerts),
                "threshold": threshold,
                "unknown_categories": unknown,
            })
        },
    )
}

/// Where id and time stand in the file.
fn kept(schema: &Schema, file: &Path, names: [&str; 2]) -> Result<[usize; 2], Error> {
    let find = |names: [&str; 2]| Some([schema.index_of(names[0]).ok()?, schema.index_of(names[1]).ok()?]);
    find(names).or_else(|| find(ARCHIVED)).ok_or_else(|| {
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let file = file.display();
        Error::Input(format!(
            "{file} has no columns `{}` and `{}`; it has {}. `tidemill features compute` writes such a file",
            names[0],
            names[1],
            columns.join(", ")
        ))
    })
}

fn schema(table: &Schema, kept: [usize; 2], decided: bool, of_classes: bool) -> SchemaRef {
    let mut fields: Vec<Field> = kept.iter().map(|at| table.field(*at).clone()).collect();
    fields.push(Field::new(SCORE, DataType::Float64, false));
    if decided {
        fields.push(Field::new(DECISION, DataType::Boolean, false));
    }
    if of_classes {
        fields.push(Field::new(CLASS, DataType::Utf8, false));
        fields.push(Field::new(PROBABILITIES, DataType::new_list(DataType::Float64, true), false));
    }
    Arc::new(Schema::new(fields))
}

/// What became of a batch.
struct Part {
    rows: RecordBatch,
    /// Decisions that are positive.
    alerts: u64,
    /// Categories that the model does not know, by input.
    unknown: BTreeMap<String, u64>,
}

/// Results of a batch; without a threshold nothing is decided. Rows of an archived log without an id are no events.
fn scored(model: &model::Model, rows: &RecordBatch, kept: [usize; 2], threshold: Option<f64>) -> Result<Part, Error> {
    let failed = |error: arrow::error::ArrowError| Error::Failed(error.to_string());
    let ids = rows.column(kept[0]);
    let events = BooleanArray::from((0..ids.len()).map(|row| ids.is_valid(row)).collect::<Vec<_>>());
    let rows = if ids.null_count() == 0 { rows.clone() } else { filter_record_batch(rows, &events).map_err(failed)? };
    let Scored { scores, classes, unknown } = trainer::score(model, &rows)?;
    let decide = |threshold: f64| scores.values().iter().map(|score| Some(*score >= threshold)).collect();
    let decisions: Option<BooleanArray> = threshold.map(decide);
    let alerts = decisions.as_ref().map_or(0, |decisions| decisions.true_count() as u64);
    let mut columns: Vec<ArrayRef> = kept.iter().map(|at| rows.column(*at).clone()).collect();
    columns.push(Arc::new(scores));
    let schema = schema(rows.schema_ref(), kept, decisions.is_some(), classes.is_some());
    columns.extend(decisions.map(|decisions| Arc::new(decisions) as ArrayRef));
    if let Some(Classes { class, probabilities }) = classes {
        columns.push(Arc::new(class));
        columns.push(Arc::new(probabilities));
    }
    Ok(Part { rows: RecordBatch::try_new(schema, columns).map_err(failed)?, alerts, unknown })
}

/// An input that is missing is missing in the file.
fn place(error: Error, file: &Path) -> Error {
    match error {
        Error::Trainer(trainer::Error::Input(error)) => Error::Input(format!(
            "{} cannot be scored: {error}; `tidemill features compute` makes features of events",
            file.display()
        )),
        other => other,
    }
}

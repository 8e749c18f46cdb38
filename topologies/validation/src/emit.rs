//! Accepted rows on their way into all logs that a source's records go to.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float64Array, ListBuilder, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::DataType;
use flow::config::{FAILED_RULES, IMPUTED_FIELDS};
use flow::processor::Stop;

use crate::checks::{Findings, Judged};
use crate::source::Source;
use crate::targets::{Accepted, Outgoing, Output, Target};

/// The logs that a source's records go to, the journal being the last. Labels go to no entity.
pub fn outputs(source: &Source, entity: Option<Target>, journal: Target) -> Vec<Output> {
    let entity = entity.filter(|_| !source.is_labels());
    entity.into_iter().chain([journal]).map(Output::new).collect()
}

/// What items carry of the rows: the event, or the label.
pub fn part(source: &Source, outputs: &[Output], judged: &Judged) -> Result<(&'static str, ArrayRef), Stop> {
    Ok(match &judged.labels {
        None => ("event", event(outputs, judged)?),
        Some(values) => ("label", labels(source, outputs, values, &judged.times_us)?),
    })
}

/// Writes rows to all logs, the journal being the last: there an item's key is its id.
pub fn write(
    outputs: &mut [Output],
    judged: &Judged,
    accepted: &Accepted<'_>,
    mut out: Option<&mut Outgoing<'_>>,
) -> Result<(), Stop> {
    let journal = outputs.len() - 1;
    for (at, output) in outputs.iter_mut().enumerate() {
        let keys: &StringArray = match &judged.keys {
            Some(keys) if at < journal => keys,
            _ => &judged.ids,
        };
        output.write(keys, accepted, out.as_deref_mut())?;
    }
    Ok(())
}

/// The events, with the names of failed rules and replaced fields where the logs have them.
fn event(outputs: &[Output], judged: &Judged) -> Result<ArrayRef, Stop> {
    let whole = StructArray::from(judged.batch.clone());
    let fields = match outputs.first().and_then(|output| output.part_type("event")) {
        Some(DataType::Struct(fields)) if fields.len() > whole.num_columns() => fields,
        _ => return Ok(Arc::new(whole)),
    };
    let rows = whole.len();
    let mut columns = whole.columns().to_vec();
    for field in &fields[columns.len()..] {
        let found = match field.name().as_str() {
            FAILED_RULES => &judged.findings.failed[..],
            IMPUTED_FIELDS => &judged.findings.imputed[..],
            _ => &[],
        };
        let DataType::List(item) = field.data_type() else {
            return Err(Stop::Other(format!("a log has `{}`, which is no list of names", field.name())));
        };
        let mut names = ListBuilder::new(StringBuilder::new()).with_field(item.clone());
        for of_row in Findings::by_row(found, rows) {
            of_row.iter().for_each(|name| names.values().append_value(name));
            names.append(!of_row.is_empty());
        }
        columns.push(Arc::new(names.finish()));
    }
    let event = StructArray::try_new(fields.clone(), columns, None);
    Ok(Arc::new(event.map_err(flow::wire::Error::from)?))
}

/// The label part. The event's time is not known here; the journal knows it, and what stands here is the time at
/// which the label became known.
fn labels(source: &Source, outputs: &[Output], values: &[f64], times_us: &[i64]) -> Result<ArrayRef, Stop> {
    let journal = outputs.last().and_then(|output| output.part_type("label"));
    let Some(DataType::Struct(fields)) = journal else {
        return Err(Stop::Other(format!("the journal of {} has no label part", source.topic)));
    };
    let values: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
    let times = TimestampMicrosecondArray::from(times_us.to_vec()).with_data_type(fields[1].data_type().clone());
    let part = StructArray::try_new(fields.clone(), vec![values, Arc::new(times)], None);
    Ok(Arc::new(part.map_err(flow::wire::Error::from)?))
}

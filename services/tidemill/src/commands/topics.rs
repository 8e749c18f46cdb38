//! `tidemill topics`: what there is.

use runtime::log::TopicPartition;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, table};

struct Row {
    name: String,
    kind: &'static str,
    partitions: i32,
    records: i64,
    /// How many were deleted before these, if offsets have no holes.
    deleted: i64,
}

pub fn run(global: &Global, output: Output) -> Result<(), Error> {
    let environment = Environment::existing(global)?;
    let (log, plan) = (&environment.context.log, &environment.context.plan);
    let mut rows = Vec::new();
    for name in log.topics()? {
        let partitions = log.partitions(&name)?.unwrap_or(0);
        let (mut records, mut deleted) = (0, 0);
        for partition in 0..partitions {
            let (start, end) = log.watermarks(&TopicPartition::new(name.as_str(), partition))?;
            records += end - start;
            deleted += start;
        }
        let kind = plan.topic(&name).map_or("-", |topic| topic.kind.word());
        rows.push(Row { name, kind, partitions, records, deleted });
    }
    output.show(|| text(&rows), || value(&rows))
}

fn text(rows: &[Row]) -> String {
    let cells =
        |row: &Row| vec![row.name.clone(), row.kind.to_owned(), row.partitions.to_string(), row.records.to_string()];
    table(&["TOPIC", "KIND", "PARTITIONS", "RECORDS"], &rows.iter().map(cells).collect::<Vec<_>>())
}

fn value(rows: &[Row]) -> Value {
    let row = |row: &Row| json!({ "topic": row.name, "kind": row.kind, "partitions": row.partitions, "records": row.records, "deleted": row.deleted });
    rows.iter().map(row).collect()
}

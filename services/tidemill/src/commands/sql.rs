//! `tidemill sql`: a query over the store and parts of topics.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use serde_json::json;

use crate::cli::Global;
use crate::cli::sql::Sql;
use crate::error::Error;
use crate::output::{Output, note, table};
use crate::signals::Signals;
use crate::sql::rows::{ROWS_SHOWN_MAX, Sink};
use crate::sql::{Bound, Engine, Place};

pub fn run(global: &Global, output: Output, options: &Sql) -> Result<(), Error> {
    Signals::listen()?.leave_at_once()?;
    if options.tables {
        return tables(&Place::open(global)?, output);
    }
    let bound = |text: &str| text.parse::<Bound>().map_err(Error::Input);
    let (from, to) = (bound(&options.from)?, bound(&options.to)?);
    let sql = query(options)?;
    let engine = Engine::new(Arc::new(Place::open(global)?), from, to, options.memory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Failed(format!("cannot start threads: {error}")))?;
    let for_people = !output.is_json() && options.out.is_none();
    let rows_max = options.rows_max.unwrap_or(if for_people { ROWS_SHOWN_MAX } else { usize::MAX });
    let answer = runtime.block_on(async {
        let rows = engine.run(&sql).await?;
        let sink = Sink::open(output, options.out.as_deref(), &rows.schema())?;
        written(rows, sink, rows_max, |error| engine.complaint(error, &sql)).await
    });
    let Answer { rows, more } = answer?;
    match &options.out {
        Some(out) => output.show(
            || format!("{} in {}", counted(rows), out.display()),
            || json!({ "rows": rows, "more": more, "out": out.display().to_string() }),
        )?,
        None if for_people && !more => note(&counted(rows)),
        None => {}
    }
    if more {
        let all = if for_people && options.rows_max.is_none() { ", and --out FILE writes all" } else { "" };
        note(&format!("there are more than these {}; --rows-max sets how many{all}", counted(rows)));
    }
    Ok(())
}

/// The query's text.
fn query(options: &Sql) -> Result<String, Error> {
    let unreadable = |path: &Path, error: &std::io::Error| {
        Error::Input(format!("cannot read the query from {}: {error}", path.display()))
    };
    let text = match (&options.query, &options.file) {
        (Some(query), _) => query.clone(),
        (None, Some(path)) if path == Path::new("-") => {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
            text
        }
        (None, Some(path)) => std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?,
        (None, None) => String::new(),
    };
    match text.trim().is_empty() {
        true => Err(Error::Input("the query is empty; write SELECT …, or see the tables with --tables".to_owned())),
        false => Ok(text),
    }
}

/// What became of an answer.
struct Answer {
    rows: usize,
    /// Whether there would have been more rows.
    more: bool,
}

async fn written(
    mut stream: SendableRecordBatchStream,
    mut sink: Sink,
    rows_max: usize,
    complaint: impl Fn(datafusion::error::DataFusionError) -> Error,
) -> Result<Answer, Error> {
    let mut answer = Answer { rows: 0, more: false };
    while !answer.more
        && let Some(batch) = stream.next().await
    {
        let batch: RecordBatch = batch.map_err(&complaint)?;
        let wanted = batch.num_rows().min(rows_max - answer.rows);
        answer.more = wanted < batch.num_rows();
        answer.rows += wanted;
        sink.take(&batch.slice(0, wanted))?;
    }
    sink.finish()?;
    Ok(answer)
}

fn counted(rows: usize) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

fn tables(place: &Place, output: Output) -> Result<(), Error> {
    let mut found = Vec::new();
    for (name, topic) in place.tables() {
        found.push((name, topic, topic.map(|topic| place.archived(topic)).transpose()?));
    }
    let cell = |number: Option<String>| number.unwrap_or_else(|| "-".to_owned());
    let text = || {
        let rows = found.iter().map(|(name, topic, kept)| {
            let (rows, files) = (kept.map(|kept| kept.0.to_string()), kept.map(|kept| kept.1.to_string()));
            vec![(*name).to_owned(), topic.unwrap_or("-").to_owned(), cell(rows), cell(files)]
        });
        table(&["TABLE", "TOPIC", "ROWS", "FILES"], &rows.collect::<Vec<_>>())
    };
    let value = || {
        let tables = found.iter().map(|(name, topic, kept)| {
            json!({ "table": name, "topic": topic, "rows": kept.map(|kept| kept.0), "files": kept.map(|kept| kept.1) })
        });
        tables.collect()
    };
    output.show(text, value)
}

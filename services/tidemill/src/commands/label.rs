//! `tidemill label`: labels from a file, or one by hand, to the source of labels.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use bytes::Bytes;
use flow::config::LabelSource;
use runtime::apply::apply;
use runtime::clock::now_ms;
use runtime::log::{Publish, SessionOptions};
use schemas::key::key_text;
use serde_json::json;

use crate::cli::Global;
use crate::cli::label::Label;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::Output;
use crate::publish::file::Source;
use crate::publish::{self, Columns};

pub fn run(global: &Global, output: Output, options: &Label) -> Result<(), Error> {
    // The file is opened first: a slip in its name shall not leave a log behind.
    let file = options.file.as_deref().map(Source::open).transpose()?;
    let environment = Environment::shared(global)?;
    let context = &environment.context;
    let none = || Error::Input("the pipeline declares no source of labels".to_owned());
    let labels = context.pipeline.labels.as_ref().ok_or_else(none)?;
    let source = match file {
        Some(file) => file,
        None => by_hand(labels, options)?,
    };
    if environment.remote.is_none() {
        apply(context)?;
    }
    let mut encoder = context.encoder(&labels.topic)?;
    let columns = Columns::find(encoder.schema(), &source.schema, &options.map, labels.known_time.as_deref())?;
    let id = encoder.schema().index_of(&labels.id).map_err(|error| Error::Failed(error.to_string()))?;
    let mut session = context.log.session(SessionOptions {
        durable: true,
        ..SessionOptions::publisher(format!("{}.label", context.pipeline.name))
    })?;
    let (topic, mut published): (Arc<str>, u64) = (labels.topic.as_str().into(), 0);
    for batch in source.batches {
        let batch = columns.convert(&batch?, encoder.schema(), published)?;
        let rows = encoder.encode(&batch).map_err(publish::Error::from)?;
        for (row, value) in rows.iter().enumerate() {
            let mut key = String::new();
            // A label without an id goes out as it is: the validator says what is wrong with it.
            let _ = key_text(batch.column(id), row, &mut key);
            session.publish(Publish::keyed(topic.clone(), Bytes::from(key), value))?;
            published += 1;
        }
        environment.signals.check()?;
    }
    session.flush()?;
    session.close()?;
    let what = if published == 1 { "label" } else { "labels" };
    output.show(
        || format!("published {published} {what} to {topic}; what came to nothing shows `tidemill tap refusals`"),
        || json!({ "labels": published, "topic": &*topic }),
    )
}

/// One label as a table of texts, which become what the schema wants.
fn by_hand(labels: &LabelSource, options: &Label) -> Result<Source, Error> {
    let known = labels.known_time.as_deref();
    if options.known.is_some() && known.is_none() {
        return Err(Error::Input("--known: the pipeline's labels have no known_time".to_owned()));
    }
    let text = |text: &Option<String>| -> ArrayRef { Arc::new(StringArray::from(vec![text.clone()])) };
    // Null says that it became known when it was appended. A schema that has no null is told the time here.
    let has_null = |known: &&str| labels.schema.column(known).is_none_or(|column| column.nullable);
    let now = || -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![now_ms().saturating_mul(1_000)])) };
    let known = known.filter(|known| options.known.is_some() || !has_null(known));
    let cells = [
        Some((labels.id.as_str(), text(&options.event))),
        Some((labels.target.as_str(), text(&options.value))),
        known.map(|known| (known, if options.known.is_some() { text(&options.known) } else { now() })),
    ];
    let column = |(name, column): (&str, ArrayRef)| (name.to_owned(), column, true);
    let batch = RecordBatch::try_from_iter_with_nullable(cells.into_iter().flatten().map(column));
    let batch = batch.map_err(|error| Error::Failed(error.to_string()))?;
    Ok(Source { schema: batch.schema(), rows: Some(1), batches: Box::new(std::iter::once(Ok(batch))) })
}

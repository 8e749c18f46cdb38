//! `tidemill features compute`: a file in, its features out.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::cli::Global;
use crate::cli::files::Features;
use crate::commands::publish::options;
use crate::compute::compute;
use crate::error::Error;
use crate::loading;
use crate::output::Output;
use crate::publish::file::Source;

pub fn run(global: &Global, output: Output, command: &Features) -> Result<(), Error> {
    let Features::Compute { file, out, source: args } = command;
    let begun = Instant::now();
    let source = Source::open(file)?;
    let pipeline = loading::load(global)?.checked(global)?;
    let options = options(args);
    let source = source.computed(&options)?;
    let batches = source.batches.collect::<Result<Vec<_>, _>>()?;
    let computed = compute(&pipeline, &source.schema, &batches, &options)?;
    offline::table::write(out, computed.table.schema(), std::slice::from_ref(&computed.table))?;
    let (rows, features) = (computed.table.num_rows(), pipeline.features.names().len());
    let seconds = begun.elapsed().as_secs_f64();
    let text = || {
        let mut text = format!("{features} features of {rows} events in {} ({seconds:.1} s)", out.display());
        if let Some(column) = &computed.label_column {
            text.push_str(&format!("\nlabels from {column}, known {} after their events", length(args.label_delay)));
        }
        if computed.repeated > 0 {
            text.push_str(&format!("\nleft out {} repeated events", computed.repeated));
        }
        text
    };
    let value = || {
        json!({
            "out": out.display().to_string(),
            "rows": rows,
            "features": pipeline.features.names(),
            "label_column": computed.label_column,
            "repeated": computed.repeated,
            "seconds": seconds,
        })
    };
    output.show(text, value)
}

/// A length of time in the largest unit that it is a whole number of, as options take it.
fn length(time: Duration) -> String {
    let ms = time.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let whole = units.into_iter().find(|(_, unit)| ms > 0 && ms.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{ms}ms"), |(unit, size)| format!("{}{unit}", ms / size))
}

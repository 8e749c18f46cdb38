//! `tidemill publish`: a file's rows as events and labels.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runtime::apply::apply;
use serde_json::json;

use crate::cli::Global;
use crate::cli::files::SourceArgs;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, is_watched};
use crate::publish::file::Source;
use crate::publish::{Options, Pace, Publisher, Summary};
use crate::services::Job;

pub fn run(global: &Global, output: Output, file: &Path, args: &SourceArgs) -> Result<(), Error> {
    // The file is opened first: a slip in its name shall not leave a log behind.
    let source = Source::open(file)?;
    let environment = Environment::shared(global)?;
    if environment.remote.is_none() {
        apply(&environment.context)?;
    }
    let published = publish(&environment, source, args)?;
    report(output, file, &published)?;
    environment.signals.check()
}

/// Publishing as a job beside services.
pub fn job(environment: &Environment, output: Output, file: &Path, args: &SourceArgs) -> Result<Job, Error> {
    let source = Source::open(file)?;
    let (environment, args, file) = (environment.clone(), args.clone(), file.to_owned());
    Ok(Job {
        name: "publish".to_owned(),
        stats: None,
        reads: Vec::new(),
        finite: true,
        run: Box::new(move |_| {
            let published = publish(&environment, source, &args)?;
            report(output, &file, &published)
        }),
    })
}

/// How the arguments want a file published.
pub fn options(args: &SourceArgs) -> Options {
    let pace = match (args.rate, args.speed_up) {
        (Some(rate), _) => Pace::Rate(rate),
        (None, Some(factor)) => Pace::SpeedUp(factor),
        (None, None) => Pace::Full,
    };
    Options {
        map: args.map.iter().flat_map(|pairs| pairs.0.clone()).collect(),
        label_column: args.label_column.clone(),
        label_delay_us: i64::try_from(args.label_delay.as_micros()).unwrap_or(i64::MAX),
        pace,
    }
}

/// How publishing a file ended.
struct Published {
    summary: Summary,
    took: Duration,
    complete: bool,
}

fn publish(environment: &Environment, source: Source, args: &SourceArgs) -> Result<Published, Error> {
    let begun = Instant::now();
    let stop = environment.signals.stop().clone();
    let told = Arc::new(move || stop.load(Ordering::Relaxed));
    let options = options(args);
    let source = source.computed(&options)?;
    let mut publisher = Publisher::open(&environment.context, &source.schema, &options, told)?;
    let bar = bar(source.rows);
    for batch in source.batches {
        let goes_on = publisher.push(&batch?)?;
        bar.set_position(publisher.summary().events);
        if !goes_on {
            bar.abandon();
            return Ok(Published { summary: publisher.end()?, took: begun.elapsed(), complete: false });
        }
    }
    let summary = publisher.finish()?;
    bar.finish_and_clear();
    Ok(Published { summary, took: begun.elapsed(), complete: true })
}

fn bar(rows: Option<u64>) -> ProgressBar {
    let target = if is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(rows, target);
    let template = match rows {
        Some(_) => "{bar:40} {human_pos}/{human_len} events, {per_sec}, {eta} left",
        None => "{spinner} {human_pos} events, {per_sec}",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn report(output: Output, file: &Path, published: &Published) -> Result<(), Error> {
    let Summary { events, labels, first_us, last_us, bytes } = published.summary;
    let (seconds, complete) = (published.took.as_secs_f64(), published.complete);
    let text = || {
        let rate = events as f64 / seconds.max(1e-9);
        let labels = if labels > 0 { format!(" and {labels} labels") } else { String::new() };
        let what = format!("{events} events{labels} from {} in {seconds:.1} s ({rate:.0} events/s)", file.display());
        if complete { format!("published {what}") } else { format!("stopped early; published {what}") }
    };
    let value = || {
        json!({
            "file": file.display().to_string(),
            "complete": complete,
            "events": events,
            "labels": labels,
            "first_us": first_us,
            "last_us": last_us,
            "bytes": bytes,
            "seconds": seconds,
        })
    };
    output.show(text, value)
}

//! `tidemill retain`: delete what is beyond the pipeline's `retention`, once.

use runtime::log::{Retained, TopicSpec};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::retain::Retain;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, table};
use crate::retention::{Kept, Needs, retain, shrinking};

pub fn run(global: &Global, output: Output, options: &Retain) -> Result<(), Error> {
    let refused = |why: &str| Err(Error::Input(why.to_owned()));
    if global.brokers.is_some() {
        return refused("brokers delete what is beyond a topic's retention by themselves; `tidemill apply` tells them");
    }
    let environment = Environment::existing(global)?;
    if environment.remote.is_some() {
        return refused(
            "another process has the log, and deletes by itself what is beyond `retention`; stop it with Ctrl-C to do it by hand",
        );
    }
    let meant: Vec<TopicSpec> = shrinking(&environment).into_iter().filter(|spec| options.means(&spec.name)).collect();
    if meant.is_empty() {
        return refused("no topic that has a retention or is compacted is meant; `tidemill topics` lists all");
    }
    let kept = retain(&environment, &meant, &Needs::of(&environment), options.dry_run)?;
    output.show(|| text(&kept, options.dry_run), || kept.iter().map(|kept| value(kept, options.dry_run)).collect())
}

fn text(kept: &[Kept], dry_run: bool) -> String {
    if kept.is_empty() {
        return "nothing is beyond its topic's retention".to_owned();
    }
    let headings = ["TOPIC", "PARTITION", "BEGAN", "BEGINS", "RECORDS", "BYTES", "HELD", "NEEDED BY"];
    let table = table(&headings, &kept.iter().map(|kept| cells(kept, dry_run)).collect::<Vec<_>>());
    if dry_run { format!("{table}\nnothing was deleted: --dry-run") } else { table }
}

fn cells(Kept { retained, holder }: &Kept, dry_run: bool) -> Vec<String> {
    let Retained { tp, start, begins, bytes, .. } = retained;
    vec![
        tp.topic.to_string(),
        tp.partition.to_string(),
        start.to_string(),
        begins.to_string(),
        retained.records().to_string(),
        // What would go is counted when it goes.
        if dry_run { "-".to_owned() } else { bytes.to_string() },
        retained.held().to_string(),
        holder.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

fn value(Kept { retained, holder }: &Kept, dry_run: bool) -> Value {
    let Retained { tp, start, begins, bytes, .. } = retained;
    json!({
        "topic": *tp.topic, "partition": tp.partition, "began": start, "begins": begins,
        "records": retained.records(), "bytes": (!dry_run).then_some(bytes), "held": retained.held(), "needed_by": holder,
        "dry_run": dry_run,
    })
}

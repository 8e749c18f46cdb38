//! The ledger of a log that another process has, through its gateway.

use std::collections::BTreeMap;

use flow::ledger::{Counts, Entry, Row, Sample, Side};
use runtime::context::Context;
use serde_json::Value;

use crate::error::Error;
use crate::remote::Remote;

/// Reads rows as the gateway shows them.
pub struct Beside<'a> {
    remote: &'a Remote,
    context: &'a Context,
    next: i64,
    sample: Sample,
}

impl<'a> Beside<'a> {
    /// Before the first row.
    pub fn new(remote: &'a Remote, context: &'a Context) -> Self {
        Self { remote, context, next: 0, sample: Sample::default() }
    }

    /// What the ledger says now, and then where sources and logs end.
    pub fn sample(&mut self) -> Result<Sample, Error> {
        let topic = &self.context.plan.names.ledger;
        let query = [("from".to_owned(), self.next.to_string()), ("follow".to_owned(), "false".to_owned())];
        let (sample, next) = (&mut self.sample, &mut self.next);
        self.remote.tap(topic, &query, |text| {
            let line: Value = serde_json::from_str(text).unwrap_or_default();
            *next = line.get("offset").and_then(Value::as_i64).map_or(*next, |offset| offset + 1);
            let entry = line.get("value").and_then(entry);
            entry.into_iter().for_each(|entry| sample.take(entry));
            Ok(true)
        })?;
        let ends: BTreeMap<_, _> = runtime::ledger::ends(self.context)?;
        self.sample.ends = ends;
        Ok(self.sample.clone())
    }
}

/// An entry from its JSON form; none of what an older release wrote.
fn entry(value: &Value) -> Option<Entry> {
    let text = |name: &str| value.get(name)?.as_str();
    let number = |name: &str| value.get(name)?.as_i64();
    let count = |name: &str| value.get(name)?.as_u64();
    let position = number("position").filter(|position| *position >= 0)?;
    let partition = u16::try_from(number("task_partition")?).ok()?;
    let row = match text("edge")?.split_once(" -> ") {
        None => None,
        Some((from, to)) => Some(Row {
            side: if text("side")? == "WRITTEN" { Side::Written } else { Side::Read },
            from: from.into(),
            to: to.into(),
            source: text("source_topic")?.into(),
            source_partition: u16::try_from(number("source_partition")?).ok()?,
            bucket: number("bucket")?,
            counts: Counts {
                emitted: count("emitted")?,
                filtered: count("filtered")?,
                duplicate: count("duplicate")?,
                late: count("late")?,
                dead: count("dead_lettered")?,
                waiting: count("waiting")?,
                digest: u128::from_str_radix(text("digest")?, 16).ok()?.swap_bytes(),
            },
            closed: value.get("closed")?.as_bool()?,
        }),
    };
    let log = match &row {
        None => text("source_topic")?.into(),
        Some(row) if row.side == Side::Read => row.to.clone(),
        Some(row) => row.from.clone(),
    };
    Some(Entry { task: text("task")?.into(), log, partition, position, row })
}

//! Validators of the new generation: they go on where those of the old one stopped, and count on from what was counted.

use super::Error;
use crate::context::Context;
use crate::ledger::Target;
use crate::log::{Commit, Input, SessionOptions, TopicPartition};
use crate::snapshot::{Owner, Vault};
use flow::ledger::{Entry, Row, Sample, Side};
use flow::plan::Service;
use flow::state::{INLINE_CHARS_MAX, TaskState, head, headed};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A validator of the new generation before it goes on from that of the old one.
#[derive(Debug)]
pub struct Source {
    /// What it reads.
    pub tp: TopicPartition,
    /// Digest that the old one's state has.
    pub digest: String,
    /// The state of one that has read nothing.
    pub fresh: TaskState,
    /// Numbers of what of it was written to the new logs, by topic.
    pub numbers: BTreeMap<String, Vec<i64>>,
}

fn owner(group: &str, tp: &TopicPartition) -> Owner {
    Owner { group: group.to_owned(), log: tp.topic.to_string(), partition: tp.partition }
}

/// What a validator has committed, if it has: the offset and the whole state.
pub fn validated(
    context: &Context,
    tp: &TopicPartition,
    digest: &str,
    vault: &Vault,
) -> Result<Option<(i64, TaskState)>, Error> {
    let group = context.plan.group(Service::Validator);
    let committed = context.log.committed(&group, std::slice::from_ref(tp))?.into_iter().flatten().next();
    let Some(committed) = committed else { return Ok(None) };
    let text = match headed(&committed.metadata) {
        Some((_, Some(pointer))) => vault.kept(&owner(&group, tp), &pointer)?,
        _ => committed.metadata,
    };
    let state = TaskState::read(&text, digest);
    let state = state.map_err(|error| Error::Validator { tp: tp.clone(), detail: error.to_string() })?;
    Ok(Some((committed.offset, TaskState { whole: None, kept: None, snapshot: None, ..state })))
}

/// The commits of new validators.
pub fn validators(old: &Context, new: &Context, sources: Vec<Source>, vault: &Vault) -> Result<Vec<Commit>, Error> {
    let after = new.plan.group(Service::Validator);
    let mut commits = Vec::new();
    for Source { tp, digest, fresh, numbers } in sources {
        let Some((offset, state)) = validated(old, &tp, &digest, vault)? else { continue };
        let mut out = fresh.out;
        out.extend(numbers);
        let text = TaskState { out, digest: fresh.digest, ..state }.text();
        let metadata = if text.len() > INLINE_CHARS_MAX {
            head(&text, Some(vault.keep(&owner(&after, &tp), offset, &text)?))
        } else {
            text
        };
        commits.push(Commit { tp, offset, metadata });
    }
    Ok(commits)
}

/// Writes the ledger's rows of the old validators again as those of the new ones, who know their newest buckets only.
pub fn carry_rows(
    old: &Context,
    new: &Context,
    renamed: &BTreeMap<String, String>,
    sample: &Sample,
) -> Result<(), Error> {
    let [before, after] = [old, new].map(|context| context.plan.group(Service::Validator));
    let after: Arc<str> = after.into();
    let target = Target::of(new)?;
    let name = |topic: &Arc<str>| renamed.get(&**topic).map_or_else(|| topic.clone(), |new| Arc::from(new.as_str()));
    let mut told: BTreeMap<(Arc<str>, u16), Vec<Row>> = BTreeMap::new();
    for (_, row) in sample.rows().filter(|(task, _)| ***task == *before) {
        let log = if row.side == Side::Read { &row.to } else { &row.from };
        let row = Row { from: name(&row.from), to: name(&row.to), ..row.clone() };
        told.entry((log.clone(), row.source_partition)).or_default().push(row);
    }
    let mut session = new.log.session(SessionOptions {
        durable: true,
        ..SessionOptions::new(format!("{}.repartition", new.pipeline.name), Input::None)
    })?;
    for ((log, partition), rows) in told {
        let position = sample.position(&before, &log, partition);
        for row in rows.into_iter().map(Some).chain([None]) {
            let (task, log) = (after.clone(), log.clone());
            session.publish(target.record(&Entry { task, log, partition, position, row }))?;
        }
    }
    session.flush()?;
    Ok(session.close()?)
}

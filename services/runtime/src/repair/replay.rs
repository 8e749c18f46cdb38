//! Repairing a task whose state is a function of its log: it is put there by a snapshot and by reading on, up to the first
//! record whose outputs are not all in its targets.

use super::scan::place;
use super::{Basis, Error, Found, Repair, Subject};
use crate::context::Context;
use crate::ledger::{emission, read};
use crate::log::{Commit, partition_of_key};
use crate::shell::{Service, incoming};
use crate::snapshot::{Owner, Vault};
use flow::names::Place;
use flow::processor::{OutRecord, Stop, Task};
use flow::public::EMISSION_HEADER;
use flow::state::{TaskState, inline};
use tracing::{info, warn};

/// Rebuilds the task up to where its targets end. `proven` is a position that it had committed for certain.
pub fn replay(
    context: &Context,
    service: &mut dyn Service,
    subject: &Subject,
    found: &Found,
    proven: i64,
    vault: &Vault,
) -> Result<Repair, Error> {
    let tp = &subject.tp;
    let (start, end) = context.log.watermarks(tp)?;
    if proven > end {
        return Err(Error::Shorter { subject: subject.clone(), end, proven });
    }
    let (mut task, basis) = begin(service, subject, proven, vault)?;
    let from = match basis {
        Basis::Snapshot(_, from) => from,
        _ => 0,
    };
    if start > from {
        return Err(Error::LogStart { subject: subject.clone(), start, needed: from, proven });
    }
    let mut out = Vec::new();
    read(context, tp, (from, proven), |records| {
        let records: Vec<_> = records.iter().cloned().map(incoming).collect();
        Ok::<_, Error>(task.handle(&records, true, &mut out)?)
    })?;
    let checked = Checked { context, found, own: place(&context.names, tp) };
    if !checked.numbers(&*task)? {
        if proven == 0 {
            return Err(Stop::Other(format!("{subject}: a task that has read nothing has numbers")).into());
        }
        // What was acknowledged is gone from a log. Written again it is there again, as long as nothing follows it.
        warn!(%subject, proven, "a target has fewer items than were committed; looking for the first that is missing");
        return replay(context, service, subject, found, 0, vault);
    }
    // A position and the state there.
    let mut reached = (proven.max(start), task.metadata());
    let stepped = read(context, tp, (proven.max(from), end), |records| {
        for record in records {
            if let Err(stop) = task.handle(&[incoming(record.clone())], false, &mut out) {
                info!(%subject, offset = record.offset, %stop, "the task stops here, and will say so again");
                return Err(Halt::Reached);
            }
            if !checked.outputs(&out)? || !checked.numbers(&*task)? {
                return Err(Halt::Reached);
            }
            out.clear();
            reached = (record.offset + 1, task.metadata());
        }
        Ok(())
    });
    match stepped {
        Ok(()) | Err(Halt::Reached) => {}
        Err(Halt::Failed(error)) => return Err(error),
    }
    let (offset, metadata) = reached;
    let state: TaskState = serde_json::from_str(&metadata).unwrap_or_default();
    let items = state.out.values().flatten().sum();
    let commit = Commit { tp: tp.clone(), offset, metadata: inline(metadata) };
    Ok(Repair { basis, commit, items, fence: state.fence })
}

/// Why no more records are handled.
enum Halt {
    /// An output is not there.
    Reached,
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Halt::Failed(error.into())
    }
}

/// A task at its newest good snapshot at or below a position, or at the log's start.
fn begin(
    service: &mut dyn Service,
    subject: &Subject,
    proven: i64,
    vault: &Vault,
) -> Result<(Box<dyn Task>, Basis), Error> {
    let (group, log, partition) = (subject.group.clone(), subject.tp.topic.to_string(), subject.tp.partition);
    let owner = Owner { group, log, partition };
    for name in vault.list(&owner)?.into_iter().filter(|name| name.position <= proven) {
        let mut task = service.open(&subject.tp, None)?.task;
        let Some(state) = task.state() else { break };
        match vault.load(&owner, &name).and_then(|loaded| loaded.restore(state)) {
            Ok(from) => return Ok((task, Basis::Snapshot(name.position, from))),
            Err(error) => warn!(%owner, position = name.position, %error, "snapshot refused, trying the one before it"),
        }
    }
    Ok((service.open(&subject.tp, None)?.task, Basis::Log))
}

/// Looks up what a task says it has written.
struct Checked<'a> {
    context: &'a Context,
    found: &'a Found,
    own: Place,
}

impl Checked<'_> {
    /// Whether all items that the task has numbered are in its targets.
    fn numbers(&self, task: &dyn Task) -> Result<bool, Error> {
        let state: TaskState = serde_json::from_str(&task.metadata()).unwrap_or_default();
        for (topic, numbers) in &state.out {
            let topic = self.context.number(topic)?;
            let target = |partition: usize| Place { topic, partition: partition as u16 };
            let mut pairs = numbers.iter().enumerate();
            if pairs.any(|(partition, number)| *number > self.found.number(self.own, target(partition))) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether these public records are there. Those of internal logs are known by their numbers.
    fn outputs(&self, out: &[OutRecord]) -> Result<bool, Error> {
        for record in out {
            let header = record.headers.iter().find(|(name, _)| name == EMISSION_HEADER);
            let text = header.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
            let Some((parent, trigger)) = text.and_then(|text| emission(&self.context.names, text)) else { continue };
            let partitions = self.context.topic(&record.topic)?.partitions.cast_signed();
            let by_key = || partition_of_key(record.key.as_deref().unwrap_or_default(), partitions) as u16;
            let target = Place {
                topic: self.context.number(&record.topic)?,
                partition: record.partition.unwrap_or_else(by_key),
            };
            if self.found.emitted(parent, target).is_none_or(|last| last < trigger) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

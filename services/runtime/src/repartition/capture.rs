//! A task as it was at its commit: its blob, and its entries one by one.

use super::Error;
use crate::context::Context;
use crate::ledger::read;
use crate::log::{Committed, TopicPartition};
use crate::shell::{Service, incoming};
use crate::snapshot::{Name, Owner, Vault};
use flow::processor::{Stop, Task};
use flow::snapshot::{Changes, Entry, Error as StateError, State, entries};
use flow::state::{inline, split_pointer};
use std::collections::BTreeMap;
use tracing::warn;

/// The state of a task.
#[derive(Debug)]
pub struct Captured {
    /// The task.
    pub owner: Owner,
    /// The next offset it would read.
    pub position: i64,
    /// Its blob.
    pub blob: String,
    /// Its entries, see [`Changes`], each once.
    pub entries: Vec<u8>,
}

/// Puts a task into the state of its commit, which must be at the end of its log, and takes that state apart.
pub fn capture(
    context: &Context,
    service: &mut dyn Service,
    (group, tp): (&str, &TopicPartition),
    vault: &Vault,
) -> Result<Captured, Error> {
    let owner = Owner { group: group.to_owned(), log: tp.topic.to_string(), partition: tp.partition };
    let (start, end) = context.log.watermarks(tp)?;
    let committed = context.log.committed(group, std::slice::from_ref(tp))?.into_iter().flatten().next();
    let offset = committed.as_ref().map_or(start, |committed| committed.offset);
    if offset < end {
        return Err(Error::Behind { owner, offset, end });
    }
    let Some(committed) = committed.filter(|committed| committed.offset > 0) else {
        // Nothing was ever written to its log.
        let mut task = service.open(tp, None)?.task;
        let (blob, changes) = cut(&mut *task)?;
        return Ok(Captured { owner, position: 0, blob, entries: changes.bytes });
    };
    if committed.metadata.is_empty() {
        return Err(Error::NoState { owner, offset });
    }
    let (mut task, from, base) = begin(service, &owner, tp, &committed, vault)?;
    if start > from {
        return Err(Error::LogStart { owner, start, needed: from });
    }
    let mut out = Vec::new();
    read(context, tp, (from, offset), |records| {
        let records: Vec<_> = records.iter().cloned().map(incoming).collect();
        Ok::<_, Error>(task.handle(&records, true, &mut out)?)
    })?;
    let (found, committed) = (task.metadata(), split_pointer(&committed.metadata).0);
    if found != committed && inline(found.clone()) != committed {
        return Err(Error::Restored { owner, offset, difference: format!("{found} and not {committed}") });
    }
    let (blob, changes) = cut(&mut *task)?;
    let entries =
        together(&base, &changes).map_err(|error| Error::State { owner: owner.clone(), source: Box::new(error) })?;
    Ok(Captured { owner, position: offset, blob, entries })
}

/// A task at its newest good snapshot, with the entries of that; without one, at the start of its log.
fn begin(
    service: &mut dyn Service,
    owner: &Owner,
    tp: &TopicPartition,
    committed: &Committed,
    vault: &Vault,
) -> Result<(Box<dyn Task>, i64, Changes), Error> {
    let mut names = vault.list(owner)?;
    names.extend(split_pointer(&committed.metadata).1.as_ref().map(Name::from));
    names.sort_unstable();
    names.dedup();
    for name in names.into_iter().rev().filter(|name| name.position <= committed.offset) {
        let mut task = service.open(tp, Some(committed))?.task;
        let mut recording = Recording { state: state(&mut *task)?, entries: Changes::default() };
        let restored = vault.load(owner, &name).and_then(|loaded| loaded.restore(&mut recording));
        let entries = recording.entries;
        match restored {
            Ok(from) => {
                state(&mut *task)?.track();
                return Ok((task, from, entries));
            }
            Err(error) => warn!(%owner, position = name.position, %error, "snapshot refused, trying the one before it"),
        }
    }
    let mut task = service.open(tp, Some(committed))?.task;
    state(&mut *task)?.track();
    Ok((task, 0, Changes::default()))
}

fn state(task: &mut dyn Task) -> Result<&mut dyn State, Error> {
    Ok(task.state().ok_or_else(|| Stop::Other("a task without state cannot be handed over".to_owned()))?)
}

/// Blob and changes of a task.
fn cut(task: &mut dyn Task) -> Result<(String, Changes), Error> {
    let state = state(task)?;
    let blob = state.cut();
    loop {
        if let Some(changes) = state.collect(usize::MAX) {
            return Ok((blob, changes));
        }
    }
}

/// Entries and what changed of them since.
fn together(base: &Changes, changes: &Changes) -> Result<Vec<u8>, StateError> {
    if changes.count == 0 {
        return Ok(base.bytes.clone());
    }
    let mut all: BTreeMap<(u8, &[u8]), &[u8]> = BTreeMap::new();
    for entry in entries(&base.bytes).chain(entries(&changes.bytes)) {
        let Entry { part, key, value } = entry?;
        match value {
            Some(value) => all.insert((part, key), value),
            None => all.remove(&(part, key)),
        };
    }
    let mut together = Changes::default();
    all.iter().for_each(|((part, key), value)| together.push(&Entry { part: *part, key, value: Some(value) }));
    Ok(together.bytes)
}

/// Takes down the entries that a state takes in.
struct Recording<'a> {
    state: &'a mut dyn State,
    entries: Changes,
}

impl State for Recording<'_> {
    fn layout(&self) -> String {
        self.state.layout()
    }

    fn track(&mut self) {
        self.state.track();
    }

    fn noted_bytes(&self) -> usize {
        self.state.noted_bytes()
    }

    fn cut(&mut self) -> String {
        self.state.cut()
    }

    fn collect(&mut self, entries_max: usize) -> Option<Changes> {
        self.state.collect(entries_max)
    }

    fn load(&mut self, entry: &Entry<'_>) -> Result<(), StateError> {
        self.entries.push(entry);
        self.state.load(entry)
    }

    fn resume(&mut self, blob: &str) -> Result<i64, StateError> {
        self.state.resume(blob)
    }

    fn hash(&self) -> u128 {
        self.state.hash()
    }
}

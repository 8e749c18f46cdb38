//! What a new task begins with: a snapshot, and the commit that names it.

use super::Error;
use crate::log::{Commit, TopicPartition};
use crate::shell::Service;
use crate::snapshot::{Cut, Owner, Writer};
use flow::handover::New;
use flow::processor::Stop;
use flow::snapshot::{Error as StateError, entries};
use flow::state::{inline, with_pointer};

/// Puts a new task into its first state, which it must understand, and writes that down. The commit is the caller's.
pub fn begin(
    service: &mut dyn Service,
    (group, tp): (&str, &TopicPartition),
    (position, new): (i64, New),
    writer: &Writer,
) -> Result<Commit, Error> {
    let owner = Owner { group: group.to_owned(), log: tp.topic.to_string(), partition: tp.partition };
    let refused = |error: StateError| Error::State { owner: owner.clone(), source: Box::new(error) };
    let mut task = service.open(tp, None)?.task;
    let state = task.state().ok_or_else(|| Stop::Other(format!("{owner} has no state to begin with")))?;
    for entry in entries(&new.changes.bytes) {
        state.load(&entry.map_err(|damaged| refused(damaged.into()))?).map_err(refused)?;
    }
    state.resume(&new.blob).map_err(refused)?;
    let (layout, found, expected) = (state.layout(), state.hash(), new.changes.sum);
    if found != expected {
        return Err(refused(StateError::Sum { found, expected }));
    }
    let metadata = inline(task.metadata());
    writer.write(Cut { owner: owner.clone(), position, layout, blob: new.blob, changes: new.changes });
    let pointer = writer.done().find_map(|done| done.pointer);
    let pointer = pointer.ok_or_else(|| Stop::Other(format!("{owner}: its first snapshot cannot be written")))?;
    writer.begun(owner);
    Ok(Commit { tp: tp.clone(), offset: position, metadata: with_pointer(&metadata, &pointer) })
}

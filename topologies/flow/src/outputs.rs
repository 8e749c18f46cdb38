//! What tasks give to be published. Drafts for internal logs wait here until they are sealed, so that what the tasks of
//! one process have for a partition becomes one record: with many partitions on both sides, records of one task each
//! would be many and small, and a record costs its readers more than its items do.

use crate::names::{Names, Place};
use crate::processor::OutRecord;
use crate::wire::{self, Draft, LogWriter};
use bytes::Bytes;

/// About how many bytes of drafts wait at most, and no more than one poll brought.
const DRAFT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many records wait at most, and no more than one poll brought.
const RECORDS_MAX: usize = 16_384;

/// Outputs of tasks that share [`Names`].
#[derive(Debug, Default)]
pub struct Outputs {
    /// Records that are finished.
    pub records: Vec<OutRecord>,
    drafts: Vec<(Place, Draft)>,
    bytes: usize,
}

impl Outputs {
    /// Takes a draft for a partition of an internal log. Those of one task for one partition keep their order.
    pub fn push(&mut self, place: Place, draft: Draft) {
        self.bytes += draft.fill.bytes();
        self.drafts.push((place, draft));
    }

    /// Whether they should be published before more is done.
    pub fn is_full(&self) -> bool {
        self.bytes >= DRAFT_BYTES_MAX || self.records.len() >= RECORDS_MAX
    }

    /// Makes records of all drafts for a log; those for other logs wait on.
    pub fn seal(&mut self, topic: u16, names: &Names, writer: &mut LogWriter) -> Result<(), wire::Error> {
        if self.drafts.is_empty() {
            return Ok(());
        }
        let (drafts, others) =
            std::mem::take(&mut self.drafts).into_iter().partition(|(place, _)| place.topic == topic);
        self.drafts = others;
        self.bytes = self.drafts.iter().map(|(_, draft)| draft.fill.bytes()).sum();
        let records = writer.encode_together(drafts)?;
        self.records.extend(records.into_iter().map(|(place, value)| log_record(names, place, value)));
        Ok(())
    }
}

/// A record of an internal log; it has no key, its partition says where it belongs.
fn log_record(names: &Names, place: Place, value: Bytes) -> OutRecord {
    OutRecord {
        topic: names.topic(place.topic).clone(),
        partition: Some(place.partition),
        key: None,
        value: Some(value),
        headers: Vec::new(),
    }
}

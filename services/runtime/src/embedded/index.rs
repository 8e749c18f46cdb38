//! Where the runs of old segments lie.
//!
//! The places of all runs are known for the newest segments only: one place for every append and partition would
//! outgrow the memory within days. For an older segment they are read again from its frames when somebody reads it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::segment::{Segment, scan};
use super::state::{Run, Slot, place};
use crate::log::Result;

/// Newest segments whose index stays in memory.
pub(super) const INDEXED_SEGMENTS: usize = 3;
/// Old segments whose index is remembered after use.
const REMEMBERED_MAX: usize = 4;

/// The runs of one segment by partition.
pub(super) type SegmentIndex = HashMap<Slot, Vec<Run>>;

/// The indexes of old segments that were used last.
#[derive(Default)]
pub(super) struct OldIndexes {
    /// By file and not by number, as another file may take a segment's place.
    remembered: Mutex<VecDeque<(Arc<Segment>, Arc<SegmentIndex>)>>,
}

impl OldIndexes {
    /// The index of an old segment. Who needs the same one waits for the first to read it.
    pub fn get(&self, number: u32, segment: &Arc<Segment>) -> Result<Arc<SegmentIndex>> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = remembered.iter().position(|(other, _)| Arc::ptr_eq(other, segment))
            && let Some(used) = remembered.remove(at)
        {
            let index = used.1.clone();
            remembered.push_back(used);
            return Ok(index);
        }
        let index = Arc::new(read(number, segment)?);
        remembered.push_back((segment.clone(), index.clone()));
        if remembered.len() > REMEMBERED_MAX {
            remembered.pop_front();
        }
        Ok(index)
    }

    /// Forgets all of them, and with them files that may be deleted.
    pub fn clear(&self) {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Where the runs of a segment lie.
pub(super) fn read(number: u32, segment: &Segment) -> Result<SegmentIndex> {
    let mut index = SegmentIndex::new();
    scan(segment, false, |bodies_at, meta| {
        let mut position = bodies_at;
        for run in &meta.runs {
            let place = place(run, meta.append_time_ms, number as usize, position, None);
            index.entry((run.topic, run.partition)).or_default().push(place);
            position += u64::from(run.len);
        }
        Ok(())
    })?;
    Ok(index)
}

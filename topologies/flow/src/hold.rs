//! Items held until the watermark passes them, released in one order whatever order they arrived in: by time, labels
//! before events, then by event id, source partition and offset.
//!
//! A snapshot does not store them: they are in the log. It says from where on they are read again, which is the newest
//! cut before the oldest item that is still held, and the numbers that its parents had there.

use crate::flaw::{Flaw, made};
use crate::items::Items;
use crate::names::Place;
use crate::reader::Trigger;
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A row of decoded items.
#[derive(Debug, Clone)]
pub struct ItemRow {
    /// The columns.
    pub items: Arc<Items>,
    /// The row in them.
    row: u32,
    /// Number of the cut after which it came.
    since: u32,
}

impl ItemRow {
    /// The row in the columns.
    pub fn row(&self) -> usize {
        self.row as usize
    }

    /// Event time, or known time of a label, in microseconds since the epoch.
    pub fn time_us(&self) -> i64 {
        self.items.envelope().time_us[self.row()]
    }

    /// The event id.
    pub fn id(&self) -> &str {
        self.items.ids().value(self.row())
    }

    /// Whether the item carries a label.
    pub fn is_label(&self) -> bool {
        self.items.label().is_some_and(|labels| labels.get(self.row()).is_some())
    }

    fn origin(&self) -> (u16, i32, i64) {
        let envelope = self.items.envelope();
        let row = self.row();
        (self.items.origin_topic(row), envelope.origin_partition[row], envelope.origin_offset[row])
    }
}

/// The order of event ids: shorter ones first, then by bytes. On whole numbers this is their numeric order.
pub fn id_order(left: &str, right: &str) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// The order of items at equal time.
fn tie_order(left: &ItemRow, right: &ItemRow) -> Ordering {
    (right.is_label().cmp(&left.is_label()))
        .then_with(|| id_order(left.id(), right.id()))
        .then_with(|| left.origin().cmp(&right.origin()))
}

/// What a parent gave last: number and trigger.
pub type Last = (Place, i64, Trigger);

/// What came between two cuts.
#[derive(Debug)]
struct Stretch {
    offset: i64,
    taken: Vec<Last>,
    held: usize,
}

/// Held items by time.
#[derive(Debug)]
pub struct Hold {
    by_time: BTreeMap<i64, Vec<ItemRow>>,
    len: usize,
    /// Since the newest cut before the oldest item; the last one is open. The first has the number `first`.
    stretches: VecDeque<Stretch>,
    first: u32,
}

impl Default for Hold {
    fn default() -> Self {
        let start = Stretch { offset: 0, taken: Vec::new(), held: 0 };
        Hold { by_time: BTreeMap::new(), len: 0, stretches: VecDeque::from([start]), first: 0 }
    }
}

impl Hold {
    /// Holds an item until the watermark has passed its time.
    pub fn push(&mut self, time_us: i64, items: &Arc<Items>, row: usize) {
        if made(Flaw::CopiesDroppedAtArrival) && self.has_copy(items, row) {
            return;
        }
        let since = self.first + self.stretches.len() as u32 - 1;
        self.by_time.entry(time_us).or_default().push(ItemRow { items: items.clone(), row: row as u32, since });
        self.len += 1;
        if let Some(stretch) = self.stretches.back_mut() {
            stretch.held += 1;
        }
    }

    fn has_copy(&self, items: &Items, row: usize) -> bool {
        let is_label = items.label().is_some_and(|labels| labels.get(row).is_some());
        let is_copy = |held: &ItemRow| !held.is_label() && held.id() == items.ids().value(row);
        !is_label && self.by_time.values().flatten().any(is_copy)
    }

    /// A cut: what comes from now on can be read again from `offset`, by a reader that has taken these numbers.
    pub fn cut(&mut self, offset: i64, taken: Vec<Last>) {
        while self.stretches.front().is_some_and(|stretch| stretch.held == 0) {
            self.stretches.pop_front();
            self.first += 1;
        }
        self.stretches.push_back(Stretch { offset, taken, held: 0 });
    }

    /// From where all held items can be read again, and the numbers taken before; none while nothing is held.
    pub fn start(&self) -> Option<(i64, &[Last])> {
        let first = self.stretches.iter().find(|stretch| stretch.held > 0)?;
        Some((first.offset, &first.taken))
    }

    /// Takes out everything strictly below the watermark, in release order.
    pub fn release(&mut self, watermark_us: i64) -> Vec<ItemRow> {
        let later = self.by_time.split_off(&watermark_us);
        let ready = std::mem::replace(&mut self.by_time, later);
        let mut rows = Vec::new();
        for (_, mut ties) in ready {
            ties.sort_by(tie_order);
            rows.append(&mut ties);
        }
        self.len -= rows.len();
        for row in &rows {
            if let Some(stretch) = self.stretches.get_mut((row.since - self.first) as usize) {
                stretch.held -= 1;
            }
        }
        rows
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_numbers_sort_as_numbers() {
        let mut ids = ["100000", "99999", "b", "793842", "793841"];
        ids.sort_by(|left, right| id_order(left, right));
        assert_eq!(ids, ["b", "99999", "100000", "793841", "793842"]);
    }
}

//! Items held until the watermark passes them, released in one order whatever order they arrived in: by time, labels
//! before events, then by event id, source partition and offset.

use crate::items::Items;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row of decoded items.
#[derive(Debug, Clone)]
pub struct ItemRow {
    /// The columns.
    pub items: Arc<Items>,
    /// The row in them.
    pub row: usize,
}

impl ItemRow {
    /// Event time, or known time of a label, in microseconds since the epoch.
    pub fn time_us(&self) -> i64 {
        self.items.envelope().time_us[self.row]
    }

    /// The event id.
    pub fn id(&self) -> &str {
        self.items.ids().value(self.row)
    }

    /// Whether the item carries a label.
    pub fn is_label(&self) -> bool {
        self.items.label().is_some_and(|labels| labels.get(self.row).is_some())
    }

    fn origin(&self) -> (u16, i32, i64) {
        let envelope = self.items.envelope();
        (self.items.origin_topic(self.row), envelope.origin_partition[self.row], envelope.origin_offset[self.row])
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

/// Held items by time.
#[derive(Debug, Default)]
pub struct Hold {
    by_time: BTreeMap<i64, Vec<ItemRow>>,
    len: usize,
}

impl Hold {
    /// Holds an item until the watermark has passed its time.
    pub fn push(&mut self, time_us: i64, row: ItemRow) {
        self.by_time.entry(time_us).or_default().push(row);
        self.len += 1;
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

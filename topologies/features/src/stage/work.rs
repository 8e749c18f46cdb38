//! What one poll applies.

use std::sync::Arc;

use flow::items::Items;
use flow::ledger::{Edges, End};
use flow::sequencer::Position;

use super::build::Source;
use crate::Key;
use crate::window::Row;

/// One item to apply.
#[derive(Debug)]
pub(super) struct Apply {
    pub source: usize,
    pub row: usize,
    pub position: Position,
    pub time_us: i64,
    pub label: Option<(f64, i64)>,
}

impl Apply {
    pub fn row<'a>(&self, sources: &'a [Source]) -> Row<'a> {
        let text = sources[self.source].items.keys().value(self.row);
        let key = (!text.is_empty()).then(|| Key::new(text));
        match self.label {
            Some((value, time_us)) => Row::Label { key, time_us, value: Some(value) },
            None => Row::Event { key, time_us: self.time_us },
        }
    }
}

/// What one poll applies.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub sources: Vec<Source>,
    pub steps: Vec<Apply>,
    pub mark_us: Option<i64>,
}

impl Work {
    /// Counts for the ledger: events go on to the next log, labels end here.
    pub fn count(&self, next: u16, edges: &mut Edges) {
        let items = |step: &Apply| &self.sources[step.source].items;
        let end = |step: &Apply| if step.label.is_some() { End::Filtered } else { End::Emitted };
        edges.ended(self.steps.iter().map(|step| (items(step).spot(step.row), end(step))));
        let events = self.steps.iter().filter(|step| step.label.is_none());
        edges.wrote(&[next], events.map(|step| items(step).origin(step.row)));
    }

    /// The number of the batch an item is in; held items come from batches of earlier polls.
    pub fn source(&mut self, items: &Arc<Items>) -> usize {
        let known = self.sources.iter().rposition(|source| Arc::ptr_eq(&source.items, items));
        known.unwrap_or_else(|| {
            self.sources.push(Source { items: items.clone() });
            self.sources.len() - 1
        })
    }
}

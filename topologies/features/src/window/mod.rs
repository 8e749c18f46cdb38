//! The window engine: exact features over sliding windows, one pass, to the event.
//!
//! # What a feature is
//!
//! For an event of key k at time t, a window of length n with delay d covers the events of k with
//! t - (d + n) < time <= t - d. The current event is one of them when d is zero. Events of equal time count in the
//! order in which they were applied: one applied later is not in. A labelled event enters the windows from the moment
//! its label is applied, at its own event time; an aggregate of the label sees labelled events only.
//!
//! `last` and `time_since_last` look at what came before the current event: the newest event (for `last`, the newest
//! with a value) up to t - d, the current one excepted, within the longest window. Bounding them by the longest window
//! bounds the state; who wants a longer memory declares a longer window.
//!
//! Nulls are no values. Over no values a count is zero and everything else null, and so is `stddev` over one value.
//! NaN is a value: while it is in a window, its `sum`, `avg`, `min`, `max` and `stddev` are NaN, and never after.
//! Infinities follow IEEE 754: both kinds in one window give NaN sums, one kind gives itself, and `stddev` NaN.
//! A null key gives null features and touches nothing.
//!
//! # Purity
//!
//! Sums are exact before they are rounded ([`sum`]), extremes depend on values alone ([`extreme`]), and whatever runs
//! along with the events is derived from the stored ones. So a feature is a function of the events in its window and
//! of nothing else: not of the order in which they came, of batches, of restarts. Late events are put where their time
//! belongs and get the bits they would have got in order, from what is still there. An aggregate may skip them: it is a
//! function of the other events in its window then, for late ones, too.
//!
//! # What is forgotten
//!
//! With keep = delay + longest window + retention, an entry goes when its time is at or before its key's newest row
//! less keep. A whole key goes when its newest row is at or before the newest event of its key group less keep. Both
//! depend on the rows of that one of the 256 key groups alone, so no partitioning and no batching shows. When memory is
//! given back is another matter and cannot be seen. Rows are events, and labels where the group reads them. Limits of the
//! entity, where it has some, forget more ([`limit`]); they, too, go by key group.

mod apply;
mod batch;
mod cold;
mod extreme;
mod fade;
mod fixed;
mod heap;
mod keys;
mod limit;
mod output;
mod past;
mod plan;
mod prefetch;
mod present;
mod reads;
mod restore;
mod ring;
mod rounds;
mod series;
mod sketch;
mod snapshot;
mod states;
mod sum;
mod tally;
mod track;
mod wide;

pub use batch::{Column, Row};
pub use limit::Evicted;
pub use restore::Error;
pub use track::PART;

use crate::Group;
use cold::Depot;
use limit::Quota;
use plan::Plan;
use states::States;
use track::Tracker;

/// Number of key groups; state is saved, handed over and forgotten per group.
pub const GROUPS: usize = 256;

/// A key: its canonical text and that text's XXH3-64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// XXH3-64 of the text; its highest eight bits are the key group.
    pub hash: u64,
    /// Canonical text.
    pub text: &'a str,
}

impl<'a> Key<'a> {
    /// The key with this canonical text.
    pub fn new(text: &'a str) -> Key<'a> {
        Key { hash: schemas::key::key_hash(text), text }
    }
}

/// How an event was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// At or after every earlier row of its key.
    InOrder,
    /// Behind one of them: inserted at its own time for the aggregates that do not skip such, its features computed for
    /// that time.
    Late,
    /// It has no key: every feature is null, no state was touched.
    NoKey,
}

/// State and features of one group over all keys.
#[derive(Debug)]
pub struct Engine {
    plan: Plan,
    states: States,
    /// Greatest event time per key group.
    clocks_us: Box<[i64; GROUPS]>,
    /// Which head the sweep looks at next.
    hand: usize,
    tracker: Tracker,
    /// Keys that are not in memory.
    depot: Option<Depot>,
    /// What keys have of the entity's limits.
    quota: Option<Quota>,
}

impl Engine {
    /// An empty engine. `retention_us` is how far behind a key's newest row a late one may come and still find all of
    /// its window: give the pipeline's lateness.
    pub fn new(group: &Group, retention_us: i64) -> Engine {
        Engine {
            quota: group.limits().as_ref().map(Quota::new),
            plan: Plan::new(group, retention_us),
            states: States::default(),
            clocks_us: Box::new([i64::MIN; GROUPS]),
            hand: 0,
            tracker: Tracker::default(),
            depot: None,
        }
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.plan.outputs.len()
    }

    /// Applies an event and writes its features, in the order of [`Group::outputs`]. `values` are those of
    /// [`Group::inputs`], null as `None`, booleans as 0 and 1.
    ///
    /// # Panics
    ///
    /// When `values` or `out` have another length than the group says.
    pub fn event(
        &mut self,
        key: Option<Key<'_>>,
        time_us: i64,
        values: &[Option<f64>],
        out: &mut [Option<f64>],
    ) -> Applied {
        assert_eq!(values.len(), self.plan.columns, "one value per input of the group");
        assert_eq!(out.len(), self.width(), "one place per feature of the group");
        let Some(key) = key else {
            out.fill(None);
            return Applied::NoKey;
        };
        let id = self.intern(key);
        self.apply_event(id, time_us, |column| series::encode(values[column]), out)
    }

    /// Applies a label to the event of its key at `event_time_us`. Null keys and null labels are ignored.
    pub fn label(&mut self, key: Option<Key<'_>>, event_time_us: i64, value: Option<f64>) {
        let (Some(key), Some(value)) = (key, value) else {
            return;
        };
        let id = self.find(key);
        self.apply_label(key, id, event_time_us, value);
    }

    /// Keys with state, those included that have expired and were not yet swept.
    pub fn keys(&self) -> usize {
        self.keys_in_memory() + self.keys_on_disk()
    }

    /// Memory taken, in bytes; walks all keys.
    pub fn bytes(&self) -> usize {
        self.states.bytes()
    }
}

#[cfg(test)]
mod tests;

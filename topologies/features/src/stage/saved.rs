//! A stage in snapshots: an entry per key of its windows and per event id; marks and clocks are in the blob.

use super::Stage;
use super::incident::Incidents;
use super::seen::{self, Seen};
use crate::window::{self, Evicted};
use flow::ledger;
use flow::processor::Processor;
use flow::snapshot::{Blob, Changes, Entry, Error, State};
use flow::state::Asides;
use serde::{Deserialize, Serialize};

/// Version of the entries and of the blob.
const VERSION: u32 = 3;

/// The blob's own part.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Own {
    /// Greatest event time of each key group.
    pub(super) clocks: Vec<(u8, i64)>,
    /// The newest slice of event ids.
    pub(super) newest: Option<i64>,
    /// The mark forwarded last.
    pub(super) mark: Option<i64>,
    /// What was told of the entity's limits, where it has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) incidents: Option<Incidents>,
}

impl State for Stage {
    fn layout(&self) -> String {
        format!("stage:{VERSION}:{}:{}:{}", self.digest, self.engine.layout(), self.sequencer.layout())
    }

    fn track(&mut self) {
        self.engine.track();
        self.seen.iter_mut().for_each(Seen::track);
    }

    fn noted_bytes(&self) -> usize {
        let seen = self.seen.as_ref().map_or(0, Seen::noted_bytes);
        self.engine.noted_bytes() + seen + self.sequencer.noted_bytes()
    }

    fn cut(&mut self) -> String {
        self.engine.cut();
        self.cut = self.seen.as_mut().map(Seen::cut).unwrap_or_default();
        let state = self.save();
        let newest = self.seen.as_ref().map(Seen::newest);
        let incidents = self.teller.as_ref().map(|teller| teller.incidents.clone());
        let own = Own { clocks: self.engine.clocks(), newest, mark: self.mark_us, incidents };
        Blob { header: self.sequencer.cut(state), own }.text()
    }

    fn collect(&mut self, entries_max: usize) -> Option<Changes> {
        let windows = self.engine.collect(entries_max)?;
        Some(std::mem::take(&mut self.cut).and(&windows).and(&self.sequencer.collect()))
    }

    fn load(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let unknown = || Error::Entry { part: entry.part, detail: "a stage has no such entries".to_owned() };
        let value = entry.value.ok_or_else(unknown)?;
        match (entry.part, &mut self.seen) {
            (window::PART, _) => self
                .engine
                .load(entry.key, value)
                .map_err(|error| Error::Entry { part: entry.part, detail: error.to_string() })
                .and_then(|()| self.engine.fault().map_or(Ok(()), |fault| Err(fault.clone().into()))),
            (seen::PART, Some(seen)) => seen.load(entry.key, value),
            (ledger::PART, _) => self.sequencer.load(entry),
            _ => Err(unknown()),
        }
    }

    fn resume(&mut self, blob: &str) -> Result<i64, Error> {
        let Blob { header, own } = Blob::<Own>::read(blob)?;
        self.engine.set_clocks(&own.clocks);
        let Asides { evicted_keys: keys, evicted_entries: entries, .. } = header.state.asides;
        self.engine.set_evicted(Evicted { keys, entries });
        if let (Some(seen), Some(newest)) = (&mut self.seen, own.newest) {
            seen.set_newest(newest);
        }
        if let (Some(teller), Some(incidents)) = (&mut self.teller, own.incidents) {
            teller.incidents.restore(incidents);
        }
        (self.mark_us, self.marked) = (own.mark, own.mark.is_none());
        let names = self.sequencer.names().clone();
        self.emitter.restore(&header.state, &names);
        self.sequencer.restore(&header)
    }

    fn hash(&self) -> u128 {
        let seen = self.seen.as_ref().map_or(0, Seen::hash);
        self.engine.hash().wrapping_add(seen).wrapping_add(self.sequencer.hash())
    }
}

//! The journal in snapshots: an entry per event id; counters, the mark and the routes of predictions are in the blob.

use crate::entry::PART;
use crate::journal::{Counts, Journal};
use crate::predictions::Route;
use flow::ledger;
use flow::processor::Processor;
use flow::snapshot::{Blob, Changes, Entry, Error, State};
use serde::{Deserialize, Serialize};

/// Version of the entries and of the blob.
const VERSION: u32 = 5;

/// The blob's own part.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Own {
    pub(crate) counts: Counts,
    /// The greatest mark forwarded so far.
    pub(crate) mark: Option<i64>,
    /// By number, as entries name them.
    pub(crate) routes: Vec<Route>,
}

impl State for Journal {
    fn layout(&self) -> String {
        let settings = &self.pairing.settings;
        let keys = settings.keys.join(",");
        let (horizon_us, order) = (settings.horizon_us, self.sequencer.layout());
        let (digest, step_us, policy) = (&settings.digest, settings.mark_step_us, settings.policy);
        format!("journal:{VERSION}:{digest}:{horizon_us}:{step_us}:{keys}:{order}:{policy:?}")
    }

    fn track(&mut self) {
        self.pairing.table.notes().track();
    }

    fn noted_bytes(&self) -> usize {
        self.pairing.table.noted_bytes() + self.sequencer.noted_bytes()
    }

    fn cut(&mut self) -> String {
        self.pairing.table.notes().cut();
        let state = self.save();
        let pairing = &self.pairing;
        let own = Own { counts: pairing.counts, mark: pairing.forwarded_us, routes: pairing.routes.all().to_vec() };
        Blob { header: self.sequencer.cut(state), own }.text()
    }

    fn collect(&mut self, _: usize) -> Option<Changes> {
        // Entries are noted as they change, so all is there.
        Some(self.pairing.table.notes().take().and(&self.sequencer.collect()))
    }

    fn load(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        if entry.part == ledger::PART { self.sequencer.load(entry) } else { self.pairing.table.load(entry) }
    }

    fn resume(&mut self, blob: &str) -> Result<i64, Error> {
        let Blob { header, own } = Blob::<Own>::read(blob)?;
        let pairing = &mut self.pairing;
        if pairing.table.routes() > own.routes.len() {
            let detail =
                format!("predictions name {} routes, and {} are saved", pairing.table.routes(), own.routes.len());
            return Err(Error::Entry { part: PART, detail });
        }
        pairing.counts = own.counts;
        pairing.forwarded_us = own.mark;
        pairing.routes.restore(own.routes);
        pairing.conflicts = header.state.asides.conflict;
        pairing.emitter.restore(&header.state, self.sequencer.names());
        self.sequencer.restore(&header)
    }

    fn hash(&self) -> u128 {
        self.pairing.table.hash().wrapping_add(self.sequencer.hash())
    }
}

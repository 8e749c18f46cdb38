//! The scorer in snapshots: it has no entries but the ledger's, all else is in the blob. Which model scores follows from
//! the control state of the fence in force.

use crate::scorer::Scorer;
use flow::fence::Control;
use flow::processor::Processor;
use flow::snapshot::{Blob, Changes, Entry, Error, State};

/// Version of the blob.
const VERSION: u32 = 1;

/// The blob's own part: the control state in force, and the greatest mark forwarded so far.
pub(crate) type Own = (Control, Option<i64>);

impl State for Scorer {
    fn layout(&self) -> String {
        format!("scorer:{VERSION}:{}:{}", self.scoring.settings.feature_set, self.sequencer.layout())
    }

    fn track(&mut self) {}

    fn noted_bytes(&self) -> usize {
        self.sequencer.noted_bytes()
    }

    fn cut(&mut self) -> String {
        let state = self.save();
        let own: Own = (self.scoring.control.clone(), self.scoring.forwarded_us);
        Blob { header: self.sequencer.cut(state), own }.text()
    }

    fn collect(&mut self, _: usize) -> Option<Changes> {
        Some(self.sequencer.collect())
    }

    fn load(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        self.sequencer.load(entry)
    }

    fn resume(&mut self, blob: &str) -> Result<i64, Error> {
        let Blob { header, own: (control, forwarded_us) } = Blob::<Own>::read(blob)?;
        let scoring = &mut self.scoring;
        // A model that is gone or refused now would stop the task at its fence as well.
        scoring.prepare(header.state.fence, &control).map_err(|stop| Error::Blob(stop.to_string()))?;
        (scoring.champion, scoring.control) = (scoring.next.take(), control);
        scoring.forwarded_us = forwarded_us;
        scoring.emitter.restore(&header.state, self.sequencer.names());
        self.sequencer.restore(&header)
    }

    fn hash(&self) -> u128 {
        self.sequencer.hash()
    }
}

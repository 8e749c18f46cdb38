//! Event time of one source partition: its greatest time, its mark, and which of its events are late.

use crate::validator::Progress;
use flow::flaw::{Flaw, made};

/// Greatest time and marks. Marks only rise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    max_us: Option<i64>,
    /// The mark that the metadata carries.
    mark_us: Option<i64>,
    /// The mark that may be written: below `mark_us` between raising and the commit of the raise.
    shown_us: Option<i64>,
}

impl Clock {
    /// A clock at saved times; what was committed may be written.
    pub fn restore(max_us: Option<i64>, mark_us: Option<i64>) -> Self {
        let max_us = if made(Flaw::MaxFromMark) { mark_us } else { max_us };
        Clock { max_us, mark_us, shown_us: mark_us }
    }

    /// Whether a time lies further behind the greatest one than the lateness allows.
    pub fn is_late(&self, time_us: i64, lateness_us: i64) -> bool {
        self.max_us.is_some_and(|max| time_us < max.saturating_sub(lateness_us))
    }

    /// Takes an accepted item's time in.
    pub fn accept(&mut self, time_us: i64, lateness_us: i64) {
        let max_us = self.max_us.map_or(time_us, |max| max.max(time_us));
        self.max_us = Some(max_us);
        self.shown_us = self.shown_us.max(Some(max_us.saturating_sub(lateness_us)));
        self.mark_us = self.mark_us.max(self.shown_us);
    }

    /// The mark that may be written now.
    pub fn shown_us(&self) -> Option<i64> {
        self.shown_us
    }

    /// Raises the mark, not yet to be written. Answers whether it rose.
    pub fn raise(&mut self, mark_us: i64) -> bool {
        let rises = self.mark_us.is_none_or(|mark| mark < mark_us);
        self.mark_us = self.mark_us.max(Some(mark_us));
        rises
    }

    /// Lets a raised mark be written.
    pub fn release(&mut self) {
        self.shown_us = self.mark_us;
    }

    /// Greatest time and mark.
    pub fn progress(&self) -> Progress {
        Progress { max_us: self.max_us, mark_us: self.mark_us }
    }
}

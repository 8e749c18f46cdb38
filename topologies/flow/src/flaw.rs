//! Deliberate mistakes, for tests that see whether a checker notices them. Each is a plausible misreading of a rule, made
//! by the thread that turned it on and by no other. Release builds make none.

use std::cell::Cell;

/// A mistake; each is made in one place, which names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A reader looks at an emission's number and not at its trigger.
    TriggerIgnored,
    /// A reader keeps one number for all parents.
    ParentIgnored,
    /// Items at the watermark are released, not only those strictly below it.
    ReleasedAtMark,
    /// Of the copies of an event that wait for the watermark the first to arrive is kept, not the first in order.
    CopiesDroppedAtArrival,
    /// When all sources are quiet, marks rise to the greatest time and not above it.
    QuietAtMax,
    /// A record's marks are applied before its items.
    MarksBeforeItems,
    /// Pending marks are published after the commit that holds them.
    MarksAfterCommit,
    /// A partition's new owner does not write its mark again.
    MarkNotResent,
    /// The greatest time of a source partition is derived from its mark.
    MaxFromMark,
    /// The journal does not wait for the watermark.
    JournalNotHeld,
    /// A labelled event has the time at which its label was known, even if that is before the event.
    LabelTimeAlone,
    /// An event and its label are no pair without a prediction.
    PairNeedsPrediction,
    /// The embedded log takes the end of its files for good, whatever its checksum says.
    ChecksumIgnored,
    /// What is rejected is dropped, and no dead letter is written.
    DeadLetterDropped,
    /// A verdict is what this process thinks, whatever was recorded.
    VerdictUnrecorded,
    /// A bucket's rules are those of this process, whoever opened it.
    RulesUnrecorded,
    /// Every record that retries a dead letter counts.
    RetryUnrecorded,
    /// A fence is taken without anybody recording it.
    FenceUnrecorded,
    /// An offset is committed without the plus one.
    OffsetOfLast,
    /// Outputs are published while a task is restored.
    OutputsUnsuppressed,
    /// A snapshot above the committed offset is taken up.
    SnapshotAhead,
    /// A snapshot is taken up whatever its digests and sums say.
    SnapshotUnchecked,
    /// Transactional ids are drawn, not named by the partition.
    TransactionalIdDrawn,
    /// A failed transaction is not ended before the next begins.
    AbortSkipped,
    /// The outputs of an aborted transaction are dropped.
    AbortedOutputsDropped,
    /// A transaction whose answer was lost counts as aborted.
    UnknownIsAborted,
    /// A transaction whose answer was lost counts as committed.
    UnknownIsCommitted,
    /// Outputs of a partition that was lost wait for the next commit all the same.
    LostOutputsKept,
    /// A window holds what lies exactly its length behind.
    WindowClosed,
    /// A key that a limit pushed out is not counted.
    EvictedUncounted,
    /// A restart takes up no snapshot.
    SnapshotsUnused,
    /// The ledger counts repeats that a reader drops.
    RepeatsCounted,
    /// Rows of the ledger that a process may not have written before it died are not written again.
    RowsThoughtWritten,
}

thread_local! {
    /// A bit per mistake.
    static MADE: Cell<u64> = const { Cell::new(0) };
}

/// Whether to make a mistake here.
#[inline]
pub fn made(flaw: Flaw) -> bool {
    cfg!(debug_assertions) && MADE.get() >> flaw as u32 & 1 == 1
}

/// Lets this thread make these mistakes, and no others, until the answer is dropped.
#[must_use]
pub fn make(flaws: &[Flaw]) -> Made {
    Made(MADE.replace(flaws.iter().fold(0, |bits, flaw| bits | 1 << *flaw as u32)))
}

/// While it lives the mistakes are made; then what was before comes back.
#[derive(Debug)]
pub struct Made(u64);

impl Drop for Made {
    fn drop(&mut self) {
        MADE.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_made_only_while_it_is_wanted() {
        assert!(!made(Flaw::AbortSkipped));
        {
            let _made = make(&[Flaw::AbortSkipped]);
            assert!(made(Flaw::AbortSkipped) && !made(Flaw::QuietAtMax));
            drop(make(&[]));
            assert!(made(Flaw::AbortSkipped));
        }
        assert!(!made(Flaw::AbortSkipped));
    }
}

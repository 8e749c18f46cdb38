//! Bugs put in on purpose, to see that the simulation notices each of them: those of [`super::sessions`], which are
//! between a process and its log, and those of [`flow::flaw`], which are in the code itself and among them the ways in
//! which the design was once misread. A row says which invariant is broken, and whose word it is that says so: a checker
//! of the simulation, or a task that stops.

use super::check::Reference;
use super::cluster::Wrap;
use super::outcome;
use super::plot::{Plot, Theme};
use super::sessions::Bug;
use flow::flaw::Flaw;

/// Histories within which a bug must show.
const SEEDS: u64 = 150;

// What the checkers say.
const STOPS_AT_GAP: &str = "missing; an item was lost";
const STOPS_AT_DIVERGENCE: &str = "a process with other code or rules wrote it";
const UNREADABLE: &str = "which the pipeline does not know";
const STOPS_AT_RESTORE: &str = "differs from what was committed there";
const SNAPSHOT: &str = "is not the state of its position";
const WRITTEN: &str = "what was written is what the task's log gives";
const PEACE: &str = "validators write the same whatever happens";
const ORDER: &str = "order of arrival changes nothing";
const NUMBERS: &str = ": Divergence";
const GAP: &str = ": Gap";
const FALLING: &str = "the committed offset fell";
const STUCK: &str = "not drained";
const ONCE: &str = "a result is seen twice";
const EARLY: &str = "is seen before its offset is committed";
const MISSING: &str = "results and not";
const EXPIRED: &str = "left to their timeout";
const ONE_END: &str = "has not one end";
const LEDGER: &str = "the ledger: ";
const UNCOUNTED: &str = "the ledger counts otherwise than the logs";

/// Makes a test of each row: name, ordering, themes, what is wrong, the invariant, and the checkers of which one must
/// speak first.
macro_rules! bugs {
    ($($name:ident: $ordering:literal, [$($theme:ident),*], $kind:ident[$($what:ident),*], $invariant:literal, [$($said:expr),*];)*) => {
        $(#[test]
        fn $name() {
            found($ordering, &[$(Theme::$theme),*], bugs!(@ $kind $($what)*), $invariant, &[$($said),*]);
        })*
    };
    (@ session $bug:ident) => { (Wrap(Some(Bug::$bug)), &[]) };
    (@ code $($flaw:ident)*) => { (Wrap(None), &[$(Flaw::$flaw),*]) };
}

bugs! {
    commits_before_publishing: "event_time", [], session[CommitsBeforePublishing],
        "a committed offset has its outputs", [MISSING, WRITTEN, STOPS_AT_GAP];
    commits_one_too_far: "event_time", [], session[CommitsOneTooFar],
        "every record is handled", [STOPS_AT_RESTORE, STOPS_AT_GAP];
    commits_without_their_state: "event_time", [], session[DropsMetadata],
        "a commit carries the state", ["without its state"];
    commits_for_partitions_of_others: "event_time", [], session[CommitsForOthers],
        "a zombie commits nothing", [FALLING];
    a_lost_record: "event_time", [], session[LosesARecord],
        "nothing is lost", [STOPS_AT_GAP, WRITTEN];
    swapped_records: "event_time", [], session[SwapsRecords],
        "numbers rise", [STOPS_AT_GAP, GAP, ORDER];
    a_changed_item: "event_time", [], session[ChangesAnItem],
        "an item says what its task made", [UNREADABLE, WRITTEN];
    a_restore_that_skips_the_log: "event_time", [], session[IgnoresSeek],
        "state is a function of the log", [STOPS_AT_RESTORE];
    an_offset_without_the_plus_one: "event_time", [], code[OffsetOfLast],
        "an offset is that of the next record", [STOPS_AT_RESTORE];
    a_number_without_its_trigger: "arrival", [LateSchema], code[TriggerIgnored, VerdictUnrecorded],
        "a repeat is the same item", [NUMBERS];
    a_repeat_dropped_whoever_its_parent_is: "event_time", [], code[ParentIgnored],
        "numbers are dense per parent", [STOPS_AT_DIVERGENCE, STOPS_AT_GAP];
    items_released_at_the_mark: "event_time", [], code[ReleasedAtMark],
        "a mark promises nothing at its time", [MISSING, WRITTEN];
    copies_dropped_when_they_arrive: "event_time", [], code[CopiesDroppedAtArrival],
        "of an event's copies the first in order counts", [WRITTEN, ORDER, SNAPSHOT];
    quiet_marks_at_the_greatest_time: "event_time", [], code[QuietAtMax],
        "the last events come out", [ORDER, STUCK];
    marks_before_the_items_of_their_record: "event_time", [], code[MarksBeforeItems],
        "a mark comes after its record's items", [STOPS_AT_DIVERGENCE];
    marks_after_their_commit: "event_time", [], code[MarksAfterCommit, MarkNotResent],
        "a committed mark was written", [ORDER];
    a_mark_that_is_not_written_again: "event_time", [], code[MarkNotResent],
        "a new owner writes its mark", [ORDER, STUCK];
    a_greatest_time_from_the_mark: "event_time", [], code[MaxFromMark],
        "lateness is judged by the greatest time", [ORDER, PEACE, STOPS_AT_DIVERGENCE];
    a_journal_that_does_not_hold: "event_time", [], code[JournalNotHeld],
        "the journal waits for the watermark", [MISSING, WRITTEN];
    a_label_with_the_time_of_its_knowledge: "event_time", [], code[LabelTimeAlone],
        "a labelled event is not before its event", [MISSING, WRITTEN];
    a_pair_that_waits_for_a_prediction: "event_time", [], code[PairNeedsPrediction],
        "a labelled event waits for no prediction", [MISSING, WRITTEN];
    a_watermark_by_the_clock: "event_time", [Hasty], code[],
        "time is in the log", [ORDER];
    a_verdict_that_nobody_recorded: "arrival", [LateSchema], code[VerdictUnrecorded],
        "the first verdict is final", [STOPS_AT_DIVERGENCE, ONE_END];
    a_rejected_record_without_its_dead_letter: "arrival", [LateSchema], code[DeadLetterDropped],
        "every record has one end", [ONE_END, UNCOUNTED];
    a_retry_that_nobody_recorded: "arrival", [LateSchema, Retries], code[RetryUnrecorded],
        "a dead letter is accepted once", [ONE_END];
    rules_that_nobody_recorded: "arrival", [NewRules], code[RulesUnrecorded],
        "whoever opens a bucket fixes its rules", [STOPS_AT_DIVERGENCE, PEACE];
    a_fence_that_nobody_recorded: "arrival", [Promotions], code[FenceUnrecorded],
        "a fence's outcome is final", [STOPS_AT_RESTORE, WRITTEN];
    outputs_of_a_restore: "event_time", [ExactlyOnce], code[OutputsUnsuppressed],
        "a restored task writes nothing", [ONCE];
    a_snapshot_ahead_of_the_commit: "event_time", [Snapshots], code[SnapshotAhead],
        "a restore ends at the commit", [STOPS_AT_RESTORE];
    a_damaged_snapshot_taken_up: "event_time", [Snapshots], code[SnapshotUnchecked],
        "a damaged snapshot gives way to the one before", [SNAPSHOT, STOPS_AT_RESTORE, WRITTEN, LEDGER];
    transactional_ids_drawn: "event_time", [ExactlyOnce], code[TransactionalIdDrawn],
        "an heir ends what was left open", [EXPIRED, MISSING];
    an_abort_that_is_skipped: "event_time", [ExactlyOnce], code[AbortSkipped],
        "what was aborted is not seen", [ONCE];
    outputs_dropped_after_an_abort: "event_time", [ExactlyOnce], code[AbortedOutputsDropped],
        "aborted outputs are sent again", [MISSING];
    an_unknown_end_sent_again: "event_time", [ExactlyOnce], code[UnknownIsAborted],
        "the committed offset tells which way", [ONCE];
    an_unknown_end_dropped: "event_time", [ExactlyOnce], code[UnknownIsCommitted],
        "the committed offset tells which way", [MISSING];
    outputs_kept_after_a_revoke: "event_time", [ExactlyOnce], code[LostOutputsKept],
        "a revoke takes outputs along", [ONCE, EARLY];
    repeats_in_the_ledger: "event_time", [Ledger], code[RepeatsCounted],
        "both ends of an edge count the same", [LEDGER];
    rows_that_are_not_written_again: "event_time", [Ledger, Snapshots], code[RowsThoughtWritten],
        "the ledger says what was counted", [LEDGER];
}

#[track_caller]
fn found(ordering: &str, themes: &[Theme], (wrap, flaws): (Wrap, &[Flaw]), invariant: &str, said: &[&str]) {
    let reference = Reference::of(ordering);
    let found = (0..SEEDS).find_map(|seed| {
        let error = outcome(reference, Plot::of(seed, themes), wrap, flaws).err()?;
        Some((seed, error))
    });
    let (seed, error) = found.unwrap_or_else(|| panic!("nobody notices the bug; broken is: {invariant}"));
    let is_named = said.iter().any(|said| error.contains(said));
    assert!(is_named, "broken is: {invariant}; seed {seed} is found for another reason: {error}");
}

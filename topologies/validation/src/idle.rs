//! What validators conclude from each other's progress: how far a quiet partition's mark may rise, and which partitions
//! run ahead too far. The clock that finds a partition quiet is the service's.

use flow::flaw::{Flaw, made};

/// Progress of one source partition, of events or labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Greatest item time so far.
    pub max_us: Option<i64>,
    /// Its mark.
    pub mark_us: Option<i64>,
    /// Whether it was quiet for the idle timeout; one that never had a record counts as quiet then, too.
    pub idle: bool,
}

/// The mark that a quiet partition may rise to: the least mark of the active partitions, or, when all are quiet, one
/// microsecond above the greatest time of all, so that the last events come out. `None` while nobody can say.
pub fn idle_mark(all: &[Seen]) -> Option<i64> {
    let mut active = all.iter().filter(|seen| !seen.idle).peekable();
    if active.peek().is_none() {
        return all.iter().filter_map(|seen| seen.max_us).max()?.checked_add(i64::from(!made(Flaw::QuietAtMax)));
    }
    // An active partition without a mark promises nothing yet.
    active.map(|seen| seen.mark_us).min().flatten()
}

/// Whether a partition runs ahead of the slowest active one by more than the limit and should wait. Quiet partitions
/// and those that have no mark yet hold nobody back.
pub fn runs_ahead(own: Seen, all: &[Seen], ahead_max_us: i64) -> bool {
    let slowest = all.iter().filter(|seen| !seen.idle).filter_map(|seen| seen.mark_us).min();
    match (own.mark_us, slowest) {
        (Some(own), Some(slowest)) => own.saturating_sub(slowest) > ahead_max_us,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(max_us: i64, mark_us: i64, idle: bool) -> Seen {
        Seen { max_us: Some(max_us), mark_us: Some(mark_us), idle }
    }

    #[test]
    fn quiet_partitions_follow_the_slowest_active_one() {
        let unread = Seen { idle: true, ..Seen::default() };
        assert_eq!(idle_mark(&[seen(50, 40, false), seen(90, 80, false), seen(20, 10, true), unread]), Some(40));
        assert_eq!(idle_mark(&[seen(50, 40, false), Seen::default(), seen(20, 10, true)]), None);
    }

    #[test]
    fn when_all_are_quiet_everything_comes_out() {
        assert_eq!(idle_mark(&[seen(50, 40, true), seen(90, 80, true)]), Some(91));
        assert_eq!(idle_mark(&[Seen { idle: true, ..Seen::default() }]), None);
        assert_eq!(idle_mark(&[]), None);
    }

    #[test]
    fn only_those_too_far_ahead_of_an_active_partition_wait() {
        let slow = seen(10, 5, false);
        let fast = seen(100, 95, false);
        assert!(runs_ahead(fast, &[slow, fast], 80));
        assert!(!runs_ahead(fast, &[slow, fast], 90));
        assert!(!runs_ahead(slow, &[slow, fast], 0));
        assert!(!runs_ahead(fast, &[Seen { idle: true, ..slow }, fast], 0));
        assert!(!runs_ahead(fast, &[Seen::default(), fast], 0));
    }
}

//! What goes wrong in a simulation, and how often.

/// How often each fault happens, in per cent of the occasions for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// A record that was appended, its answer lost: the producer sends it again.
    pub answer_lost: u32,
    /// Something published stays on its way while the session polls.
    pub delayed: u32,
    /// What a crashed or dropped session published is still on its way, and arrives some time later.
    pub posthumous: u32,
    /// A commit that took effect, and fails all the same: its answer was lost.
    pub commit_unanswered: u32,
    /// A commit that fails without having had an effect.
    pub commit_failed: u32,
    /// The end of a transaction that stays on its way, its answer given up.
    pub end_delayed: u32,
    /// A member that is expelled while it commits.
    pub expelled_in_commit: u32,
    /// A producer that had some trouble during a transaction that went well.
    pub troubled: u32,
    /// A crashed member stays in its group until its session times out.
    pub lingers: u32,
    /// Polls after which a member that was expelled has learned of it, at most.
    pub unaware_polls_max: usize,
    /// Polls return 1, 7 or all records, of partitions in any order.
    pub cut_polls: bool,
}

impl Faults {
    /// Everything goes well.
    pub fn none() -> Self {
        Self {
            answer_lost: 0,
            delayed: 0,
            posthumous: 0,
            commit_unanswered: 0,
            commit_failed: 0,
            end_delayed: 0,
            expelled_in_commit: 0,
            troubled: 0,
            lingers: 0,
            unaware_polls_max: 0,
            cut_polls: false,
        }
    }

    /// Everything goes wrong, now and then.
    pub fn all() -> Self {
        Self {
            answer_lost: 20,
            delayed: 50,
            posthumous: 70,
            commit_unanswered: 5,
            commit_failed: 5,
            end_delayed: 5,
            expelled_in_commit: 2,
            troubled: 10,
            lingers: 50,
            unaware_polls_max: 6,
            cut_polls: true,
        }
    }
}

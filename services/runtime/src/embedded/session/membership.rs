//! A session in its group: what it gets, what it gives back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::EmbeddedSession;
use crate::embedded::group::MemberId;
use crate::embedded::state::{Slot, State};
use crate::log::{Assigned, Poll, Revoked};

/// A session's part in its group.
pub struct Membership {
    pub group: String,
    pub topics: BTreeSet<u32>,
    /// All partitions of the topics.
    pub slots: Vec<Slot>,
    pub id: MemberId,
    /// The group's version at the last look that found nothing to do.
    pub settled: Option<u64>,
}

impl EmbeddedSession {
    /// Becomes a member, or one again.
    pub fn join(&mut self, state: &mut State) {
        let Some(member) = &mut self.membership else { return };
        let limit = Duration::from_millis(self.options.poll_interval_max_ms);
        let group = state.groups.entry(member.group.clone()).or_default();
        member.id = group.join(member.topics.clone(), self.signal.clone(), limit, &member.slots);
        member.settled = None;
    }

    /// Gives back what the last poll revoked.
    pub fn finish_revoke(&mut self) {
        let revoking = std::mem::take(&mut self.revoking);
        let Some(member) = self.membership.as_ref().filter(|_| !revoking.is_empty()) else { return };
        let mut state = self.inner.shared.state();
        if let Some(group) = state.groups.get_mut(&member.group) {
            revoking.into_iter().for_each(|slot| group.release(member.id, slot));
        }
    }

    /// What changed in the group for this member, and when to look for a silent one.
    pub fn changes(&mut self, state: &mut State) -> (Poll, Option<Instant>) {
        let mut poll = Poll::default();
        let Some(member) = &mut self.membership else { return (poll, None) };
        let group = state.groups.entry(member.group.clone()).or_default();
        if !group.contains(member.id) {
            let lost = self.stop(state, |_| true);
            self.held.take();
            poll.revoked = lost.into_iter().map(|tp| Revoked { tp, lost: true }).collect();
            self.revoking.clear();
            self.join(state);
            self.signal.notify();
            return (poll, None);
        }
        let recheck = group.expire(member.id, Instant::now(), &member.slots);
        if member.settled == Some(group.version()) {
            return (poll, recheck);
        }
        let revoking = group.to_revoke(member.id);
        let free = group.take_free(member.id);
        if revoking.is_empty() && free.is_empty() {
            member.settled = Some(group.version());
        }
        let name = member.group.clone();
        let stopped = self.stop(state, |slot| revoking.contains(&slot));
        poll.revoked = stopped.into_iter().map(|tp| Revoked { tp, lost: false }).collect();
        self.revoking = revoking;
        for slot in free {
            let committed = state.committed(&name, slot);
            let (start, end) = (state.partition(slot).start, state.partition(slot).visible);
            self.start(state, slot, committed.as_ref().map_or(start, |committed| committed.offset));
            poll.assigned.push(Assigned { tp: state.tp(slot), committed, start, end });
        }
        (poll, recheck)
    }
}

//! Consumer groups within one process: who should own what, who owns it still, and who has gone silent.
//!
//! A change of membership only changes what each member _should_ own. A partition changes hands when its owner, in a
//! poll, has given it back; so it never has two owners. A member that does not poll any more is removed by
//! the next one that does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::signal::Signal;
use super::state::Slot;

/// A member's number within its group; never used twice.
pub(super) type MemberId = u64;

/// One member.
#[derive(Debug)]
struct Member {
    topics: BTreeSet<u32>,
    signal: Arc<Signal>,
    poll_interval_max: Duration,
    target: BTreeSet<Slot>,
}

/// One group.
#[derive(Debug, Default)]
pub(super) struct Group {
    next: MemberId,
    version: u64,
    members: BTreeMap<MemberId, Member>,
    owners: BTreeMap<Slot, MemberId>,
}

impl Group {
    /// Lets a member in. `partitions` are all partitions of its topics.
    pub fn join(
        &mut self,
        topics: BTreeSet<u32>,
        signal: Arc<Signal>,
        poll_interval_max: Duration,
        all: &[Slot],
    ) -> MemberId {
        let id = self.next;
        self.next += 1;
        let member = Member { topics, signal, poll_interval_max, target: BTreeSet::new() };
        self.members.insert(id, member);
        self.share_out(all);
        id
    }

    /// Lets a member go with all it owns.
    pub fn leave(&mut self, id: MemberId, all: &[Slot]) {
        if self.members.remove(&id).is_some() {
            self.owners.retain(|_, owner| *owner != id);
            self.share_out(all);
        }
    }

    /// Whether somebody is a member still.
    pub fn contains(&self, id: MemberId) -> bool {
        self.members.contains_key(&id)
    }

    /// The members in words.
    pub fn names(&self) -> Vec<String> {
        self.members.keys().map(|id| format!("member {id} of this process")).collect()
    }

    /// Whether a partition is owned by that member.
    pub fn owns(&self, id: MemberId, slot: Slot) -> bool {
        self.owners.get(&slot) == Some(&id)
    }

    /// Rises with every change: as long as it stands still, there is nothing new for any member.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What a member owns and should not.
    pub fn to_revoke(&self, id: MemberId) -> Vec<Slot> {
        let Some(member) = self.members.get(&id) else { return Vec::new() };
        let owned = self.owners.iter().filter(|(_, owner)| **owner == id).map(|(slot, _)| *slot);
        owned.filter(|slot| !member.target.contains(slot)).collect()
    }

    /// Gives a partition back, and tells whoever should have it.
    pub fn release(&mut self, id: MemberId, slot: Slot) {
        if self.owns(id, slot) {
            self.owners.remove(&slot);
            self.version += 1;
            self.members
                .values()
                .filter(|member| member.target.contains(&slot))
                .for_each(|member| member.signal.notify());
        }
    }

    /// Makes a member the owner of whatever it should own and nobody does.
    pub fn take_free(&mut self, id: MemberId) -> Vec<Slot> {
        let Some(member) = self.members.get(&id) else { return Vec::new() };
        let free: Vec<Slot> = member.target.iter().filter(|slot| !self.owners.contains_key(slot)).copied().collect();
        self.owners.extend(free.iter().map(|slot| (*slot, id)));
        free
    }

    /// Removes other members that have not polled in time. Returns when the next of them would have to go.
    pub fn expire(&mut self, id: MemberId, now: Instant, all: &[Slot]) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut silent = Vec::new();
        for (other, member) in self.members.iter().filter(|(other, _)| **other != id) {
            let Some(since) = member.signal.idle_since() else { continue };
            let deadline = since + member.poll_interval_max;
            if deadline <= now {
                silent.push(*other);
            } else {
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
            }
        }
        for member in silent {
            tracing::warn!(member, "removed a group member that has stopped polling");
            self.leave(member, all);
        }
        next
    }

    /// Shares all partitions out evenly. Everybody keeps as much as possible of what it has.
    fn share_out(&mut self, all: &[Slot]) {
        self.version += 1;
        let mut by_holdings: Vec<(usize, MemberId)> =
            self.members.keys().map(|id| (self.owners.values().filter(|owner| *owner == id).count(), *id)).collect();
        by_holdings.sort_by_key(|(held, id)| (std::cmp::Reverse(*held), *id));
        let wanted: Vec<Slot> = all
            .iter()
            .filter(|slot| self.members.values().any(|member| member.topics.contains(&slot.0)))
            .copied()
            .collect();
        let count = by_holdings.len().max(1);
        let mut quota: BTreeMap<MemberId, usize> = BTreeMap::new();
        for (rank, (_, id)) in by_holdings.iter().enumerate() {
            quota.insert(*id, wanted.len() / count + usize::from(rank < wanted.len() % count));
        }
        self.members.values_mut().for_each(|member| member.target.clear());
        let mut homeless = Vec::new();
        for slot in wanted {
            let keeper = self.owners.get(&slot).filter(|id| quota.get(id).is_some_and(|left| *left > 0));
            match keeper.and_then(|id| self.members.get_mut(id)) {
                Some(member) => {
                    member.target.insert(slot);
                    quota.entry(self.owners[&slot]).and_modify(|left| *left -= 1);
                }
                None => homeless.push(slot),
            }
        }
        for slot in homeless {
            let eligible = self.members.iter().filter(|(_, member)| member.topics.contains(&slot.0));
            let Some(id) = eligible.min_by_key(|(id, member)| (member.target.len(), **id)).map(|(id, _)| *id) else {
                continue;
            };
            if let Some(member) = self.members.get_mut(&id) {
                member.target.insert(slot);
            }
        }
        self.members.values().for_each(|member| member.signal.notify());
    }
}

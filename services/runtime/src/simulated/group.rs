//! Groups: who is a member, who owns which partition, and what was committed. A partition changes hands when its owner
//! has given it back in a poll, has left, or was taken for dead.

use std::collections::{BTreeMap, BTreeSet};

use crate::log::{Committed, TopicPartition};

/// One member.
pub(super) struct Member {
    pub process: u64,
    /// All partitions of its topics.
    pub wants: Vec<TopicPartition>,
    pub polled_ms: i64,
    /// Silence after which it is taken for dead.
    pub silence_ms_max: i64,
    target: BTreeSet<TopicPartition>,
}

/// One group.
#[derive(Default)]
pub(super) struct Group {
    members: BTreeMap<u64, Member>,
    owners: BTreeMap<TopicPartition, u64>,
    pub committed: BTreeMap<TopicPartition, Committed>,
}

impl Group {
    /// Lets a member in; it gets something with the next sharing out.
    pub fn join(&mut self, id: u64, process: u64, wants: Vec<TopicPartition>, now_ms: i64, silence_ms_max: i64) {
        let member = Member { process, wants, polled_ms: now_ms, silence_ms_max, target: BTreeSet::new() };
        self.members.insert(id, member);
    }

    /// Lets a member go with all it owns.
    pub fn leave(&mut self, id: u64, turn: usize) {
        if self.members.remove(&id).is_some() {
            self.owners.retain(|_, owner| *owner != id);
            self.share_out(turn);
        }
    }

    /// A member polled.
    pub fn polled(&mut self, id: u64, now_ms: i64) {
        if let Some(member) = self.members.get_mut(&id) {
            member.polled_ms = now_ms;
        }
    }

    /// How long a member may still be silent, since it is dead already.
    pub fn dying(&mut self, id: u64, silence_ms_max: i64) {
        if let Some(member) = self.members.get_mut(&id) {
            member.silence_ms_max = silence_ms_max;
        }
    }

    /// Members that have been silent for too long.
    pub fn silent(&self, now_ms: i64) -> Vec<u64> {
        let late = |member: &Member| now_ms - member.polled_ms > member.silence_ms_max;
        self.members.iter().filter(|(_, member)| late(member)).map(|(id, _)| *id).collect()
    }

    /// The members of a process.
    pub fn of_process(&self, process: u64) -> Vec<u64> {
        self.members.iter().filter(|(_, member)| member.process == process).map(|(id, _)| *id).collect()
    }

    pub fn contains(&self, id: u64) -> bool {
        self.members.contains_key(&id)
    }

    pub fn owns(&self, id: u64, tp: &TopicPartition) -> bool {
        self.owners.get(tp) == Some(&id)
    }

    /// The members in words.
    pub fn names(&self) -> Vec<String> {
        self.members.iter().map(|(id, member)| format!("member {id} of process {}", member.process)).collect()
    }

    /// What a member owns and should not.
    pub fn to_revoke(&self, id: u64) -> Vec<TopicPartition> {
        let Some(member) = self.members.get(&id) else { return Vec::new() };
        let owned = self.owners.iter().filter(|(_, owner)| **owner == id).map(|(tp, _)| tp);
        owned.filter(|tp| !member.target.contains(tp)).cloned().collect()
    }

    /// Gives a partition back.
    pub fn release(&mut self, id: u64, tp: &TopicPartition) {
        if self.owns(id, tp) {
            self.owners.remove(tp);
        }
    }

    /// Makes a member the owner of whatever it should own and nobody does.
    pub fn take_free(&mut self, id: u64) -> Vec<TopicPartition> {
        let Some(member) = self.members.get(&id) else { return Vec::new() };
        let free: Vec<_> = member.target.iter().filter(|tp| !self.owners.contains_key(tp)).cloned().collect();
        self.owners.extend(free.iter().map(|tp| (tp.clone(), id)));
        free
    }

    /// Shares all partitions out evenly; `turn` says who gets the first one.
    pub fn share_out(&mut self, turn: usize) {
        let wanted: BTreeSet<TopicPartition> =
            self.members.values().flat_map(|member| member.wants.iter().cloned()).collect();
        let ids: Vec<u64> = self.members.keys().copied().collect();
        self.members.values_mut().for_each(|member| member.target.clear());
        for (at, tp) in wanted.into_iter().enumerate() {
            let id = ids[(at + turn) % ids.len()];
            if let Some(member) = self.members.get_mut(&id) {
                member.target.insert(tp);
            }
        }
    }
}

//! A session as a member of its group: what it is given, what is taken from it, and how it learns that it was expelled.

use super::session::{Position, SimulatedSession};
use super::transaction::Client;
use super::world::World;
use crate::log::{Assigned, Poll, Result, Revoked, TopicPartition};
use crate::transaction::{Transactions, slots};
use flow::flaw::{Flaw, made};

/// A session's part in its group.
pub(super) struct Membership {
    pub group: String,
    pub id: u64,
    pub wants: Vec<TopicPartition>,
    /// Polls until it learns that it was expelled; none while it has not been.
    pub unaware_polls: Option<usize>,
}

impl SimulatedSession {
    /// Joins the group, if there is one.
    pub fn join(&mut self, world: &mut World) {
        let Some(member) = &mut self.membership else { return };
        member.id = world.id();
        member.unaware_polls = None;
        let (now_ms, turn) = (world.now_ms, world.random.below(member.wants.len()));
        let silence_ms_max = self.options.poll_interval_max_ms.cast_signed();
        let group = world.group(&member.group);
        group.join(member.id, self.log.process, member.wants.clone(), now_ms, silence_ms_max);
        group.share_out(turn);
    }

    /// What changed in the group for this member.
    pub fn changes(&mut self, world: &mut World) -> Result<Poll> {
        let mut poll = Poll::default();
        let Some(member) = &mut self.membership else { return Ok(poll) };
        let (name, id, now_ms) = (member.group.clone(), member.id, world.now_ms);
        for silent in world.group(&name).silent(now_ms).into_iter().filter(|other| *other != id) {
            let turn = world.random.below(member.wants.len());
            world.group(&name).leave(silent, turn);
        }
        if !world.group(&name).contains(id) {
            let unaware_polls_max = world.faults.unaware_polls_max;
            let left = member.unaware_polls.get_or_insert_with(|| world.random.below(unaware_polls_max + 1));
            if *left > 0 {
                *left -= 1;
                return Ok(poll);
            }
            poll.revoked = self.lose();
            self.revoking.clear();
            self.join(world);
            return Ok(poll);
        }
        let group = world.group(&name);
        group.polled(id, now_ms);
        if self.transactions.is_some() {
            return self.change_all(world, &name, id);
        }
        self.revoking = group.to_revoke(id);
        let free = group.take_free(id);
        self.positions.retain(|position| !self.revoking.contains(&position.tp));
        poll.revoked = self.revoking.iter().map(|tp| Revoked { tp: tp.clone(), lost: false }).collect();
        self.place(world, &name, free, &mut poll)?;
        Ok(poll)
    }

    /// What changed where records wait for their commit: a change takes everything away first, with what was not
    /// committed, since that came from all partitions together.
    fn change_all(&mut self, world: &mut World, name: &str, id: u64) -> Result<Poll> {
        let mut poll = Poll::default();
        let group = world.group(name);
        let free = group.take_free(id);
        if free.is_empty() && group.to_revoke(id).is_empty() {
            return Ok(poll);
        }
        let mut all: Vec<TopicPartition> = self.positions.iter().map(|position| position.tp.clone()).collect();
        poll.revoked = self.lose();
        all.extend(free.iter().cloned());
        let is_whole = world.group(name).to_revoke(id).is_empty();
        if is_whole && let Some(transactions) = &mut self.transactions {
            let drawn = made(Flaw::TransactionalIdDrawn);
            let ids = if drawn { vec![world.id().to_string()] } else { slots(name, &all) };
            transactions.take_over(&mut Client { world, process: self.log.process, member: None }, ids)?;
        }
        // Somebody's open transaction may yet commit an offset: where to begin is not known before it has ended.
        if !is_whole || all.iter().any(|tp| world.is_unstable(name, tp)) {
            all.iter().for_each(|tp| world.group(name).release(id, tp));
            return Ok(poll);
        }
        self.place(world, name, all, &mut poll)?;
        Ok(poll)
    }

    /// Drops everything owned, and what was not committed with it.
    fn lose(&mut self) -> Vec<Revoked> {
        self.transactions.iter_mut().for_each(Transactions::forget);
        self.positions.drain(..).map(|position| Revoked { tp: position.tp, lost: true }).collect()
    }

    /// Begins to read partitions at their commits.
    fn place(&mut self, world: &mut World, name: &str, tps: Vec<TopicPartition>, poll: &mut Poll) -> Result<()> {
        for tp in tps {
            let committed = world.group(name).committed.get(&tp).cloned();
            let partition = world.partition(&tp)?;
            let (start, end) = (partition.start, partition.reached());
            let next = committed.as_ref().map_or(start, |committed| committed.offset);
            let before = committed.clone();
            self.positions.push(Position { tp: tp.clone(), next, paused: false, committed: before });
            poll.assigned.push(Assigned { tp, committed, start, end });
        }
        Ok(())
    }

    /// Gives back what the last poll revoked.
    pub fn finish_revoke(&mut self, world: &mut World) {
        let Some(member) = &self.membership else { return };
        for tp in self.revoking.drain(..) {
            world.group(&member.group).release(member.id, &tp);
        }
    }
}

//! Going through the keys on disk: for those that have expired, for those of a group, or for all of them.

use flow::cold::Fault;
use flow::snapshot::entry_hash;

use super::keys::group_of;
use super::limit::Share;
use super::snapshot::{now_of, read_name};
use super::track::PART;
use super::{Engine, Key};

/// Keys looked at on disk in one go: more than rows can bring meanwhile.
const SWEPT_KEYS: usize = 1_024;
/// Expired keys on disk are looked for once some may lie behind by this part of what is kept.
const SWEEP_LAG: i64 = 8;

/// A round over all keys on disk.
#[derive(Debug)]
pub(super) struct Round {
    after: Vec<u8>,
    oldest_us: i64,
}

impl Engine {
    /// Asks for the limit again, and goes on looking for what has expired on disk.
    #[cold]
    pub(super) fn upkeep(&mut self) {
        let newest_us = self.clocks_us.iter().copied().max().unwrap_or(i64::MIN);
        let behind_us = self.plan.keep_us.saturating_add(self.plan.keep_us / SWEEP_LAG);
        let Some(depot) = &mut self.depot else { return };
        depot.rows = 0;
        depot.memory = depot.store.memory();
        if depot.round.is_none() && depot.keys > 0 && depot.oldest_us <= newest_us.saturating_sub(behind_us) {
            depot.oldest_us = i64::MAX;
            depot.round = Some(Round { after: Vec::new(), oldest_us: i64::MAX });
        }
        if let Some(round) = depot.round.take() {
            let gone = self.go_round(round);
            if let Some(depot) = &mut self.depot {
                depot.note(gone);
            }
        }
    }

    /// Forgets expired ones among the next keys on disk.
    fn go_round(&mut self, mut round: Round) -> Result<(), Fault> {
        let Engine { plan, states, clocks_us, tracker, quota, depot: Some(depot), .. } = self else { return Ok(()) };
        let (mut looked, mut expired) = (0, Vec::new());
        let (mut last, from) = (Vec::new(), std::mem::take(&mut round.after));
        depot.store.scan(&from, &mut |name, value| {
            looked += 1;
            let is_last = looked == SWEPT_KEYS;
            if is_last {
                last.extend_from_slice(name);
            }
            if let Ok((hash, text)) = read_name(name)
                && states.keys.find(Key { hash, text }).is_none()
            {
                let now_us = now_of(value);
                if now_us <= clocks_us[group_of(hash)].saturating_sub(plan.keep_us) {
                    let share = quota.as_ref().and_then(|_| Share::saved(plan, name, value));
                    expired.push((name.to_vec(), entry_hash(PART, name, value), share));
                } else {
                    round.oldest_us = round.oldest_us.min(now_us);
                }
            }
            !is_last
        })?;
        for (name, before, share) in expired {
            depot.take_away(&name, before, tracker)?;
            quota.iter_mut().for_each(|quota| quota.subtract(share));
        }
        if last.is_empty() {
            depot.oldest_us = depot.oldest_us.min(round.oldest_us);
        } else {
            depot.round = Some(Round { after: last, ..round });
        }
        Ok(())
    }

    /// Gives the entry of every key that is there: those in memory by number, then those on disk.
    pub(super) fn each_entry(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Fault> {
        let (mut name, mut value) = (Vec::new(), Vec::new());
        for (id, head) in self.states.keys.heads.iter().enumerate() {
            if head.live() {
                self.write_entry(id as u32, &mut name, &mut value);
                each(&name, &value);
            }
        }
        let Some(depot) = &self.depot else { return Ok(()) };
        depot.store.scan(&[], &mut |name, value| {
            let is_here = |(hash, text)| self.states.keys.find(Key { hash, text }).is_some();
            if !read_name(name).is_ok_and(is_here) {
                each(name, value);
            }
            true
        })
    }

    /// Forgets the keys of a group that are on disk; none of the group is in memory.
    pub(super) fn drop_stored(&mut self, group: usize) {
        let Engine { plan, tracker, quota, depot: Some(depot), .. } = self else { return };
        let mut names = Vec::new();
        let scanned = depot.store.scan(&[], &mut |name, value| {
            if read_name(name).is_ok_and(|(hash, _)| group_of(hash) == group) {
                names.push((name.to_vec(), entry_hash(PART, name, value), Share::saved(plan, name, value)));
            }
            true
        });
        depot.note(scanned);
        for (name, before, share) in names {
            let taken = depot.take_away(&name, before, tracker);
            depot.note(taken);
            quota.iter_mut().for_each(|quota| quota.subtract(share));
        }
    }
}

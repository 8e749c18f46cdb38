//! Limits on the keys and bytes of an entity, and what goes when one is reached.
//!
//! Each of the 256 key groups has its part of both limits, so no partitioning shows. Whenever a row leaves its group with
//! more, keys go until it has no more: the one whose newest row is oldest first, ties by hashes of their texts. A key that
//! alone takes more than its group may loses a quarter of its entries, the oldest. All this depends on the rows of the
//! group before and on nothing else: sizes are those of the entries, not of what is allocated, and an expired key counts no
//! more from the group's next row on, swept or not.

use std::collections::BTreeSet;

use flow::flaw::{Flaw, made};
use flow::snapshot::entry_hash;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::keys::{Head, group_of};
use super::plan::{Plan, SERIES};
use super::restore::Reader;
use super::snapshot::{now_of, read_name};
use super::track::PART;
use super::{Engine, GROUPS};
use crate::spec::Limits;

/// What a key counts beside its text and entries.
const KEY_BYTES: u64 = 128;
/// A key that is too large loses this part of its entries.
const SHORTENED_PART: u32 = 4;
/// For the second hash of a text.
const SEED: u64 = 0x6167_6573;

/// What went because of a limit since the log's first record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Keys, with all that was known of them.
    pub keys: u64,
    /// Entries of keys that stayed: events, and labels.
    pub entries: u64,
}

/// Where a key stands among those of its group: by its newest row, then by two hashes of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Age {
    now_us: i64,
    hash: u64,
    second: u64,
}

/// A key as the limits count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    age: Age,
    bytes: u64,
}

impl Share {
    /// A key in memory; none before its first row. What it was `before` has the second hash already.
    fn of(plan: &Plan, head: &Head, before: Option<Share>) -> Option<Share> {
        let entries = head.rings.iter().map(|ring| ring.len());
        let second = before.map_or_else(|| second_hash(head.text()), |share| share.age.second);
        Share::new(plan, Age { now_us: head.now_us, hash: head.hash, second }, head.text().len(), entries)
    }

    /// A key by its saved entry.
    pub fn saved(plan: &Plan, name: &[u8], value: &[u8]) -> Option<Share> {
        let (hash, text) = read_name(name).ok()?;
        let mut reader = Reader::new(value);
        let now_us = reader.number().ok()?;
        let mut entries = [0; SERIES];
        for (series, length) in entries.iter_mut().enumerate().filter(|(series, _)| plan.keeps(*series)) {
            *length = reader.varint().ok()? as u32;
            (0..*length).try_for_each(|_| reader.varint().map(drop)).ok()?;
            reader.take(*length as usize * plan.series[series].columns.len() * size_of::<u64>()).ok()?;
        }
        let age = Age { now_us, hash, second: second_hash(text.as_bytes()) };
        Share::new(plan, age, text.len(), entries.into_iter())
    }

    fn new(plan: &Plan, age: Age, text_bytes: usize, entries: impl Iterator<Item = u32>) -> Option<Share> {
        let series = entries.zip(&plan.series).map(|(entries, series)| u64::from(entries) * series.entry_bytes as u64);
        let bytes = KEY_BYTES + text_bytes as u64 + series.sum::<u64>();
        (age.now_us != i64::MIN).then_some(Share { age, bytes })
    }
}

/// What the groups have of the limits.
#[derive(Debug)]
pub(super) struct Quota {
    keys_max: usize,
    bytes_max: u64,
    groups: Vec<Members>,
    pub evicted: Evicted,
    /// Rows of the last batch with which something went, each with what had gone then.
    pub pushed: Vec<(usize, Evicted)>,
}

/// The keys of a group, on disk and in memory.
#[derive(Debug, Default, Clone)]
struct Members {
    ages: BTreeSet<Age>,
    bytes: u64,
}

impl Quota {
    /// Each group's part of the limits; rounded up, so that every group may have a key.
    pub fn new(limits: &Limits) -> Quota {
        let part = |limit: Option<u64>| limit.map_or(u64::MAX, |limit| limit.div_ceil(GROUPS as u64).max(1));
        let keys_max = usize::try_from(part(limits.keys_max)).unwrap_or(usize::MAX);
        let (bytes_max, groups) = (part(limits.bytes_max), vec![Members::default(); GROUPS]);
        Quota { keys_max, bytes_max, groups, evicted: Evicted::default(), pushed: Vec::new() }
    }

    /// Counts a key that came, or what became of it.
    pub fn add(&mut self, share: Option<Share>) {
        let Some(Share { age, bytes }) = share else { return };
        let members = &mut self.groups[group_of(age.hash)];
        members.ages.insert(age);
        members.bytes += bytes;
    }

    /// Counts a key that went, or what it was.
    pub fn subtract(&mut self, share: Option<Share>) {
        let Some(Share { age, bytes }) = share else { return };
        let members = &mut self.groups[group_of(age.hash)];
        if members.ages.remove(&age) {
            members.bytes -= bytes;
        }
    }
}

impl Engine {
    /// What went because of the entity's limits.
    pub fn evicted(&self) -> Evicted {
        self.quota.as_ref().map(|quota| quota.evicted).unwrap_or_default()
    }

    /// The rows of the last batch with which something went, by number, each with what had gone then.
    pub fn pushed(&self) -> &[(usize, Evicted)] {
        self.quota.as_ref().map_or(&[], |quota| &quota.pushed)
    }

    /// Takes up what had gone when the state was saved.
    pub fn set_evicted(&mut self, evicted: Evicted) {
        if let Some(quota) = &mut self.quota {
            quota.evicted = evicted;
        }
    }

    /// A key as the limits count it; none where there are none.
    #[inline]
    pub(super) fn share(&self, id: u32) -> Option<Share> {
        self.quota.as_ref()?;
        let head = &self.states.keys.heads[id as usize];
        // A key without rows has no share, and needs no hash.
        if head.now_us == i64::MIN { None } else { Share::of(&self.plan, head, None) }
    }

    /// The same of a key that was `before`.
    fn share_after(&self, id: u32, before: Option<Share>) -> Option<Share> {
        self.quota.as_ref()?;
        Share::of(&self.plan, &self.states.keys.heads[id as usize], before)
    }

    /// Counts a key that was saved.
    pub(super) fn count_restored(&mut self, id: u32) {
        let share = self.share(id);
        self.quota.iter_mut().for_each(|quota| quota.add(share));
    }

    /// After a row of a key that was `before`: what its group has too much goes.
    #[inline]
    pub(super) fn enforce(&mut self, id: u32, before: Option<Share>) {
        if self.quota.is_some() {
            self.enforce_limits(id, before);
        }
    }

    fn enforce_limits(&mut self, id: u32, before: Option<Share>) {
        let (group, after) = (self.states.keys.heads[id as usize].group(), self.share_after(id, before));
        let Some(quota) = &mut self.quota else { return };
        if before.map(|share| share.age) == after.map(|share| share.age) {
            let members = &mut quota.groups[group];
            let bytes = |share: Option<Share>| share.map_or(0, |share| share.bytes);
            members.bytes = members.bytes + bytes(after) - bytes(before);
        } else {
            quota.subtract(before);
            quota.add(after);
        }
        let horizon_us = self.clocks_us[group].saturating_sub(self.plan.keep_us);
        while self.fault().is_none() {
            let Some(quota) = &mut self.quota else { return };
            let Members { ages, bytes } = &quota.groups[group];
            let Some(oldest) = ages.first().copied() else { return };
            let is_over = ages.len() > quota.keys_max || *bytes > quota.bytes_max;
            let is_alone = ages.len() == 1;
            if oldest.now_us > horizon_us {
                if !is_over {
                    return;
                }
                if is_alone {
                    match self.states.keys.find_by(oldest.hash, |head| is_aged(head, oldest)) {
                        Some(id) if self.shorten(id) => continue,
                        _ => return,
                    }
                }
                quota.evicted.keys += u64::from(!made(Flaw::EvictedUncounted));
            }
            self.forget_aged(oldest);
        }
    }

    /// Forgets a key wherever it is.
    fn forget_aged(&mut self, age: Age) {
        if let Some(id) = self.states.keys.find_by(age.hash, |head| is_aged(head, age)) {
            return self.forget(id);
        }
        let Engine { plan, tracker, quota: Some(quota), depot: Some(depot), .. } = self else { return };
        let mut found = None;
        let scanned = depot.store.scan(&age.hash.to_le_bytes(), &mut |name, value| {
            let is_near = name.starts_with(&age.hash.to_le_bytes());
            if is_near && now_of(value) == age.now_us {
                let share = Share::saved(plan, name, value).filter(|share| share.age == age);
                found = share.map(|share| (name.to_vec(), entry_hash(PART, name, value), share));
            }
            is_near && found.is_none()
        });
        let forgotten = scanned.and_then(|()| match &found {
            Some((name, before, _)) => depot.take_away(name, *before, tracker),
            None => Ok(()),
        });
        depot.note(forgotten);
        // One that is nowhere is not counted any more either, whatever it was.
        let share = found.map_or(Share { age, bytes: 0 }, |(_, _, share)| share);
        quota.subtract(Some(share));
    }

    /// Takes a part of the entries of a key away, the oldest; false when it has none.
    fn shorten(&mut self, id: u32) -> bool {
        let (before, rings_before) = (self.share(id), self.states.ring_bytes(id));
        let upper_us = self.states.keys.heads[id as usize].now_us.saturating_sub(self.plan.delay_us);
        let mut gone = 0;
        for series in (0..SERIES).filter(|series| self.plan.keeps(*series)) {
            let mut view = self.states.view(&self.plan, id, series);
            let (stride, columns) = (view.series.stride, view.series.columns.len());
            let less = view.ring.len().div_ceil(SHORTENED_PART);
            let kept = (less..view.ring.len()).map(|offset| view.ring.begin().wrapping_add(offset));
            let entries: Vec<Vec<u64>> = kept.map(|seq| view.ring.entry(seq, stride)[..=columns].to_vec()).collect();
            view.clear();
            for entry in entries {
                view.append(entry[0] as i64, entry[1..].iter().copied());
            }
            view.raise(upper_us);
            view.evict(upper_us);
            gone += u64::from(less);
        }
        self.states.recount(&self.plan, id, rings_before);
        let after = self.share_after(id, before);
        if let Some(quota) = &mut self.quota {
            quota.subtract(before);
            quota.add(after);
            quota.evicted.entries += gone;
        }
        gone > 0
    }
}

fn is_aged(head: &Head, age: Age) -> bool {
    head.now_us == age.now_us && second_hash(head.text()) == age.second
}

/// Tells keys apart whose first hashes are equal.
fn second_hash(text: &[u8]) -> u64 {
    xxh3_64_with_seed(text, SEED)
}

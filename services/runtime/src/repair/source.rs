//! Repairing a validator: its numbers and its greatest time from the items that it wrote, its mark from its targets, and
//! its counts from the ledger. One that judges retries has neither times nor marks, and counts by the source's buckets.

use super::scan::place;
use super::{Basis, Error, Found, Repair, Subject, Wanted};
use crate::context::Context;
use crate::ledger::{batches, is_handed_over};
use crate::log::{Commit, TopicPartition};
use crate::snapshot::{Owner, Vault};
use flow::ledger::{Buckets, Counts, Fate, OriginHash, Sample, Side, Sums, bucket};
use flow::names::Place;
use flow::plan::Names;
use flow::state::{INLINE_CHARS_MAX, TaskState, head};
use std::collections::BTreeMap;

/// Rebuilds a validator's state before the offset `wanted.below`. `fresh` is the state of one that has read nothing; the
/// vault keeps a state that is too long for a commit, none only looks at what would be done.
pub fn rebuild(
    context: &Context,
    subject: &Subject,
    fresh: TaskState,
    (sample, found): (&Sample, &Found),
    wanted: Wanted,
    vault: Option<&Vault>,
) -> Result<Repair, Error> {
    let (tp, at) = (&subject.tp, wanted.below);
    let (start, end) = context.log.watermarks(tp)?;
    if at > end {
        return Err(Error::Shorter { subject: subject.clone(), end, proven: at });
    }
    if at < start {
        return Err(Error::SourceStart { subject: subject.clone(), start, proven: at });
    }
    let own = place(&context.names, tp);
    let sums = match context.plan.names.retried(&tp.topic) {
        None => sums(sample, subject, &fresh, found, own),
        Some(source) => retried(sample, subject, &fresh, source),
    };
    let state = state(context, &fresh, found, own, &sums)?;
    let expected = sums.iter().map(|sums| sums.counts[Fate::Accepted as usize]).sum::<u64>().cast_signed();
    // Of what was validated before a repartition these logs have only what was held.
    let is_whole = !handed_over(context)?;
    let lost = state.out.values().map(|numbers| numbers.iter().sum::<i64>()).find(|items| *items != expected);
    if let Some(items) = lost.filter(|_| is_whole) {
        if start > 0 {
            let (subject, position) = (subject.clone(), at);
            return Err(Error::Lost { subject, position, expected, found: items });
        }
        let commit = Commit { tp: tp.clone(), offset: 0, metadata: fresh.text() };
        return Ok(Repair { basis: Basis::Start, commit, items: 0, fence: -1 });
    }
    let text = state.text();
    let metadata = if text.len() > INLINE_CHARS_MAX {
        let (group, log, partition) = (subject.group.clone(), tp.topic.to_string(), tp.partition);
        let owner = Owner { group, log, partition };
        head(&text, vault.map(|vault| vault.keep(&owner, at, &text)).transpose()?)
    } else {
        text
    };
    let items = state.out.values().flatten().sum();
    let commit = Commit { tp: tp.clone(), offset: at, metadata };
    Ok(Repair { basis: Basis::Targets(at), commit, items, fence: -1 })
}

/// Whether the logs began with the state of another generation.
fn handed_over(context: &Context) -> Result<bool, Error> {
    let tp = TopicPartition::new(context.plan.names.first_log(), 0);
    let (start, end) = context.log.watermarks(&tp)?;
    let mut found = false;
    batches(context, &tp, (start, end.min(start + 1)), |batch| {
        found = is_handed_over(batch);
        Ok::<_, Error>(())
    })?;
    Ok(found)
}

/// The state as far as targets and sums tell it.
fn state(context: &Context, fresh: &TaskState, found: &Found, own: Place, sums: &[Sums]) -> Result<TaskState, Error> {
    let mut state = fresh.clone();
    let mut mark = None::<i64>;
    let mut is_marked = true;
    for (topic, numbers) in &mut state.out {
        let topic = context.number(topic)?;
        for (partition, number) in numbers.iter_mut().enumerate() {
            let target = Place { topic, partition: partition as u16 };
            *number = found.number(own, target);
            // A mark that all targets have promises nothing new to any of them.
            match found.mark(own, target) {
                Some(found) => mark = Some(mark.map_or(found, |mark| mark.min(found))),
                None => is_marked = false,
            }
        }
    }
    let is_source = context.plan.names.retried(context.names.topic(own.topic)).is_none();
    state.max = found.time(own).filter(|_| is_source);
    state.mark = mark.filter(|_| is_marked);
    state.sums = match is_source {
        true => Buckets::of(sums.to_vec()).save(),
        false => sums.iter().map(Sums::save).collect(),
    };
    Ok(state)
}

/// What the ledger counted of each bucket, and what it had not counted yet.
fn sums(sample: &Sample, subject: &Subject, fresh: &TaskState, found: &Found, own: Place) -> Vec<Sums> {
    let (topic, partition) = (&subject.tp.topic, own.partition);
    let (dead, late) = (Names::dead_letters(topic), Names::late(topic));
    let mut sums: BTreeMap<i64, Sums> = BTreeMap::new();
    let mut of = |bucket: i64, fate: Fate, counts: Counts| {
        let sums = sums.entry(bucket).or_insert(Sums { bucket, counts: [0; 3], digests: [0; 3] });
        (sums.counts[fate as usize], sums.digests[fate as usize]) = (counts.emitted, counts.digest);
    };
    for (task, row) in sample.rows() {
        let is_own = **task == *subject.group && row.source == *topic && row.source_partition == partition;
        if !is_own || row.side != Side::Written {
            continue;
        }
        let fate = match &*row.to {
            to if to == dead => Fate::Dead,
            to if to == late => Fate::Late,
            to if fresh.out.contains_key(to) => Fate::Accepted,
            _ => continue,
        };
        of(row.bucket, fate, row.counts);
    }
    let hash = OriginHash::new(topic, partition);
    for (offset, fate) in found.ends(own) {
        let number = bucket(offset);
        let sums = sums.entry(number).or_insert(Sums { bucket: number, counts: [0; 3], digests: [0; 3] });
        sums.counts[fate as usize] += 1;
        sums.digests[fate as usize] = sums.digests[fate as usize].wrapping_add(hash.of(offset));
    }
    sums.into_values().collect()
}

/// What the ledger counted of retries, by the bucket of their source records: accepted, repeated, rejected again.
fn retried(sample: &Sample, subject: &Subject, fresh: &TaskState, source: &str) -> Vec<Sums> {
    let (topic, dead) = (&subject.tp.topic, Names::dead_letters(source));
    let mut sums: BTreeMap<i64, Sums> = BTreeMap::new();
    for (task, row) in sample.rows() {
        let is_own = **task == *subject.group && i32::from(row.source_partition) == subject.tp.partition;
        let at = match row.side {
            Side::Read if row.to == *topic => 1,
            Side::Written if row.from == *topic && *row.to == *dead => 2,
            Side::Written if row.from == *topic && fresh.out.contains_key(&*row.to) => 0,
            _ => continue,
        };
        if is_own {
            let empty = Sums { bucket: row.bucket, counts: [0; 3], digests: [0; 3] };
            let sums = sums.entry(row.bucket).or_insert(empty);
            sums.counts[at] = if at == 1 { row.counts.duplicate } else { row.counts.emitted };
            sums.digests[at] = row.counts.digest;
        }
    }
    // A row of what was read has the sum of everything.
    for Sums { digests, .. } in sums.values_mut() {
        digests[1] = digests[1].wrapping_sub(digests[0]).wrapping_sub(digests[2]);
    }
    sums.into_values().collect()
}

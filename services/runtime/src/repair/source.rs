//! Repairing a validator: its numbers and its greatest time from the items that it wrote, its mark from its targets, and
//! its counts from the ledger.

use super::scan::place;
use super::{Basis, Error, Found, Repair, Subject, Wanted};
use crate::context::Context;
use crate::log::Commit;
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
    let sums = sums(sample, subject, &fresh, found, own);
    let state = state(context, &fresh, found, own, &sums)?;
    let expected = sums.iter().map(|sums| sums.counts[Fate::Accepted as usize]).sum::<u64>().cast_signed();
    let lost = state.out.values().map(|numbers| numbers.iter().sum::<i64>()).find(|items| *items != expected);
    if let Some(items) = lost {
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
    state.max = found.time(own);
    state.mark = mark.filter(|_| is_marked);
    state.sums = Buckets::of(sums.to_vec()).save();
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

//! A stage's state in a new generation of its log: windows and ids go by their key groups.

use super::incident::Incidents;
use super::saved::Own;
use super::seen;
use crate::window;
use flow::handover::{Handover, New, Old, Split, least};
use flow::ledger;
use flow::snapshot::{Blob, Entry, Error, Header, entries};
use schemas::key::{group_of_id, key_group};

/// What the stages of the new partitions begin with.
pub fn hand_over(old: &[Old<'_>], to: &Handover<'_>) -> Result<Vec<New>, Error> {
    let mut split = Split::new(to);
    for entry in old.iter().flat_map(|one| entries(one.entries)) {
        let entry = entry?;
        match entry.part {
            window::PART => split.give(key_group(number(&entry).map(u64::from_le_bytes)?), &entry),
            seen::PART => split.give(group_of_id(number(&entry).map(u128::from_le_bytes)?), &entry),
            ledger::PART => {
                split.count(&entry)?;
                continue;
            }
            part => return Err(Error::Entry { part, detail: "a stage has no such entries".to_owned() }),
        };
    }
    let (headers, own) = read(old)?;
    let mark = least(own.iter().map(|own| own.mark));
    let incidents: Vec<_> = own.iter().map(|own| own.incidents.clone()).collect();
    split.finish(&headers, |partition| {
        let clocks = own.iter().flat_map(|own| &own.clocks).copied();
        // What is forgotten depends on the newest id, so that a new task forgets as much as any it comes from.
        let newest = to.before(partition, old.len()).filter_map(|before| own[before].newest).max();
        let before = to.before(partition, old.len());
        let incidents = Incidents::hand_over(&incidents, before, (partition, to.begins.len()));
        Own {
            incidents,
            clocks: clocks.filter(|(group, _)| to.partition(u32::from(*group)) == partition).collect(),
            newest,
            mark,
        }
    })
}

fn read(old: &[Old<'_>]) -> Result<(Vec<Header>, Vec<Own>), Error> {
    let blobs = old.iter().map(|one| Blob::<Own>::read(one.blob)).collect::<Result<Vec<_>, _>>()?;
    Ok(blobs.into_iter().map(|blob| (blob.header, blob.own)).unzip())
}

/// The first bytes of an entry's key, which say its group.
fn number<const N: usize>(entry: &Entry<'_>) -> Result<[u8; N], Error> {
    let short = || Error::Entry { part: entry.part, detail: format!("its key has not {N} bytes") };
    entry.key.first_chunk().copied().ok_or_else(short)
}

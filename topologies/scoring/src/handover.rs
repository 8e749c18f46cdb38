//! The scorer's state in a new generation of its log. It has no keys; all its tasks go by one control state.

use crate::saved::Own;
use flow::fence::Control;
use flow::handover::{Handover, New, Old, Split, least};
use flow::ledger;
use flow::snapshot::{Blob, Error, Header, entries};

/// The control state that all old scorers go by.
pub fn control(old: &[Old<'_>]) -> Result<Control, Error> {
    let mut all = old.iter().map(|one| Ok::<_, Error>(Blob::<Own>::read(one.blob)?.own.0));
    let first = all.next().transpose()?.unwrap_or_default();
    for other in all {
        if other? != first {
            return Err(Error::Blob("its partitions go by different control states".to_owned()));
        }
    }
    Ok(first)
}

/// What the scorers of the new partitions begin with.
pub fn hand_over(old: &[Old<'_>], to: &Handover<'_>) -> Result<Vec<New>, Error> {
    let control = Control { parents: to.parents.to_vec(), ..control(old)? };
    let mut split = Split::new(to);
    for entry in old.iter().flat_map(|one| entries(one.entries)) {
        let entry = entry?;
        if entry.part != ledger::PART {
            return Err(Error::Entry { part: entry.part, detail: "a scorer has no such entries".to_owned() });
        }
        split.count(&entry)?;
    }
    let blobs = old.iter().map(|one| Blob::<Own>::read(one.blob)).collect::<Result<Vec<_>, _>>()?;
    let (headers, own): (Vec<Header>, Vec<Own>) = blobs.into_iter().map(|blob| (blob.header, blob.own)).unzip();
    let mark = least(own.iter().map(|(_, mark)| *mark));
    split.finish(&headers, |_| -> Own { (control.clone(), mark) })
}

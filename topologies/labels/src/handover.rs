//! The journal's state in a new generation of its log: ids go by their key groups. What predictions share is numbered by
//! each old task for itself, so their entries get new numbers.

use crate::entry::{PART, Packed, unpack};
use crate::journal::Counts;
use crate::pairing::Known;
use crate::predictions::Route;
use crate::saved::Own;
use flow::handover::{Handover, New, Old, Split, least};
use flow::ledger;
use flow::snapshot::{Blob, Entry, Error, Header, entries};
use schemas::key::group_of_id;

/// What the journals of the new partitions begin with.
pub fn hand_over(old: &[Old<'_>], to: &Handover<'_>) -> Result<Vec<New>, Error> {
    let blobs = old.iter().map(|one| Blob::<Own>::read(one.blob)).collect::<Result<Vec<_>, _>>()?;
    let (headers, own): (Vec<Header>, Vec<Own>) = blobs.into_iter().map(|blob| (blob.header, blob.own)).unzip();
    let mut routes: Vec<Route> = Vec::new();
    let mut split = Split::new(to);
    let mut waiting = vec![0; to.begins.len()];
    let mut labels_waiting = vec![0; to.begins.len()];
    let mut packed = Packed::default();
    for (old, own) in old.iter().zip(&own) {
        let numbers: Vec<u32> = own.routes.iter().map(|route| number(&mut routes, route)).collect();
        for entry in entries(old.entries) {
            let entry = entry?;
            if entry.part == ledger::PART {
                split.count(&entry)?;
                continue;
            }
            let damaged = || Error::Entry { part: entry.part, detail: "it is none of the journal's".to_owned() };
            let id = entry.key.try_into().map(u128::from_le_bytes).map_err(|_| damaged())?;
            let mut known = entry.value.filter(|_| entry.part == PART).and_then(unpack).ok_or_else(damaged)?;
            if let Some(route) = route(&mut known) {
                *route = *numbers.get(*route as usize).ok_or_else(damaged)?;
            }
            packed.pack(&known);
            let partition = split.give(group_of_id(id), &Entry { value: packed.bytes(), ..entry });
            labels_waiting[partition] += u64::from(known.is_label());
            for spot in known.waiting() {
                waiting[partition] += 1;
                split.wait(partition, spot);
            }
        }
    }
    let mark = least(own.iter().map(|own| own.mark));
    split.finish(&headers, |partition| {
        let counts = if partition == 0 { sum(&own) } else { Counts::default() };
        let (waiting, labels_waiting) = (waiting[partition], labels_waiting[partition]);
        Own { counts: Counts { waiting, labels_waiting, ..counts }, mark, routes: routes.clone() }
    })
}

/// The number of a route among those of all old tasks.
fn number(routes: &mut Vec<Route>, route: &Route) -> u32 {
    let known = routes.iter().position(|known| known == route);
    known.unwrap_or_else(|| {
        routes.push(route.clone());
        routes.len() - 1
    }) as u32
}

fn route(known: &mut Known) -> Option<&mut u32> {
    match known {
        Known::Event(_, prediction) | Known::Label(_, _, prediction) => prediction.as_mut(),
        Known::Outcome(_, _, prediction, _) => prediction.as_mut(),
        Known::Prediction(prediction) => Some(prediction),
        Known::Done { .. } => None,
    }
    .map(|prediction| &mut prediction.route)
}

fn sum(all: &[Own]) -> Counts {
    all.iter().fold(Counts::default(), |sum, Own { counts, .. }| Counts {
        outcomes: sum.outcomes + counts.outcomes,
        scored: sum.scored + counts.scored,
        corrected: sum.corrected + counts.corrected,
        same_labels: sum.same_labels + counts.same_labels,
        conflicting: sum.conflicting + counts.conflicting,
        superseded: sum.superseded + counts.superseded,
        unknown_events: sum.unknown_events + counts.unknown_events,
        predictions_after: sum.predictions_after + counts.predictions_after,
        forgotten: sum.forgotten + counts.forgotten,
        ..sum
    })
}

//! Precision under a daily capacity: of the k alerts that people look at on a day, how many were right.
//!
//! k divides even where a day has fewer rows. Equal scores go by id (by name for entities), so a result never depends
//! on the order of rows.

use super::bootstrap_metric;
use crate::dataset::{DAY_US, Dataset};
use model::Metric;
use std::collections::{BTreeMap, BTreeSet};

/// Precision among the `per_day` best events of each UTC day, averaged over days.
#[must_use]
pub fn precision_at(scores: &[f32], dataset: &Dataset, per_day: u32) -> Metric {
    let of_day = |rows: Vec<usize>| {
        let mut best: Vec<_> = rows.into_iter().map(|r| (scores[r], dataset.id[r].as_str(), r)).collect();
        best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let hits = best.iter().take(per_day as usize).filter(|b| dataset.label[b.2] == 1.0).count();
        hits as f64 / f64::from(per_day)
    };
    over_days(&days(dataset).into_values().map(of_day).collect::<Vec<_>>())
}

/// Precision among the `per_day` best entities of each UTC day, averaged over days.
///
/// An entity has its greatest score and label of the day. One that was among the best and positive is found: it does
/// not count on later days, as a blocked card would not. (The fraud handbook's card precision.)
#[must_use]
pub fn entity_precision(scores: &[f32], dataset: &Dataset, per_day: u32) -> Metric {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let mut precisions = Vec::new();
    for rows in days(dataset).into_values() {
        let mut entities: BTreeMap<&str, (f32, bool)> = BTreeMap::new();
        for row in rows {
            let entity = dataset.entity[row].as_str();
            if !found.contains(entity) {
                let seen = entities.entry(entity).or_insert((scores[row], false));
                seen.0 = seen.0.max(scores[row]);
                seen.1 |= dataset.label[row] == 1.0;
            }
        }
        // Entities come in order of name, and the sort keeps that order among equals.
        let mut best: Vec<_> = entities.into_iter().collect();
        best.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
        let hits: Vec<&str> = best.iter().take(per_day as usize).filter(|b| b.1.1).map(|b| b.0).collect();
        precisions.push(hits.len() as f64 / f64::from(per_day));
        found.extend(hits);
    }
    over_days(&precisions)
}

fn days(dataset: &Dataset) -> BTreeMap<i64, Vec<usize>> {
    let mut days: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (row, time) in dataset.time_us.iter().enumerate() {
        days.entry(time.div_euclid(DAY_US)).or_default().push(row);
    }
    days
}

fn over_days(precisions: &[f64]) -> Metric {
    let count = precisions.len();
    let mean = |sum: f64| sum / count as f64;
    bootstrap_metric(mean(precisions.iter().sum()), |random| {
        mean((0..count).map(|_| precisions[random.below(count)]).sum())
    })
}

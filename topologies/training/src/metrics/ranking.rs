//! Measures that only the order of scores decides. Equal scores are treated as equal.

use super::{Z_95, bootstrap_metric};
use model::Metric;

/// Area under the ROC curve: the chance that a positive outranks a negative, ties counting half.
///
/// The interval is DeLong's: the variance of each class's placement values over its size, added. (Sun and Xu's form
/// with midranks.)
#[must_use]
pub fn roc_auc(scores: &[f32], label: &[f32]) -> Metric {
    let of =
        |class: f32| -> Vec<f32> { scores.iter().zip(label).filter(|(_, l)| **l == class).map(|(s, _)| *s).collect() };
    let (positive, negative) = (of(1.0), of(0.0));
    let (m, n) = (positive.len() as f64, negative.len() as f64);
    let all: Vec<f32> = positive.iter().chain(&negative).copied().collect();
    let ranks = midranks(&all);
    let within = |class: &[f32], from: usize, other: f64| -> Vec<f64> {
        midranks(class).iter().zip(&ranks[from..]).map(|(own, all)| (all - own) / other).collect()
    };
    // A positive's placement: the share of negatives below it. A negative's: the share of positives below it.
    let of_positive = within(&positive, 0, n);
    let of_negative = within(&negative, positive.len(), m);
    let value = of_positive.iter().sum::<f64>() / m;
    let half = Z_95 * (variance(&of_positive) / m + variance(&of_negative) / n).sqrt();
    Metric { value, low: (value - half).max(0.0), high: (value + half).min(1.0) }
}

fn variance(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - 1.0).max(1.0)
}

/// Ranks from 1, equal values sharing the mean of theirs.
fn midranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for group in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (group.len() as f64 + 1.0) / 2.0;
        group.iter().for_each(|&at| ranks[at] = rank);
        before += group.len();
    }
    ranks
}

/// Average precision: the sum over distinct scores, from the top, of recall gained times precision there.
#[must_use]
pub fn average_precision(scores: &[f32], label: &[f32]) -> Metric {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut group_of = vec![0; scores.len()];
    let mut groups = 0;
    for group in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        group.iter().for_each(|&at| group_of[at] = groups);
        groups += 1;
    }
    let mut tally = vec![(0u32, 0u32); groups];
    let mut measure = |rows: &mut dyn Iterator<Item = usize>| {
        tally.fill((0, 0));
        for row in rows {
            let (positives, all) = &mut tally[group_of[row]];
            *positives += u32::from(label[row] == 1.0);
            *all += 1;
        }
        precision_sum(&tally)
    };
    let value = measure(&mut (0..scores.len()));
    bootstrap_metric(value, |random| measure(&mut (0..scores.len()).map(|_| random.below(scores.len()))))
}

/// Average precision from (positives, rows) per distinct score, best first; 0 without positives.
fn precision_sum(tally: &[(u32, u32)]) -> f64 {
    let (mut found, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for &(positives, all) in tally {
        found += f64::from(positives);
        seen += f64::from(all);
        if positives > 0 {
            sum += f64::from(positives) * found / seen;
        }
    }
    if found > 0.0 { sum / found } else { 0.0 }
}

//! From what was asked for to a threshold.

use crate::dataset::DAY_US;
use crate::fit::Config;
use model::{Rule, Threshold};
use std::collections::BTreeSet;

/// The threshold of a configuration: the one it names, or one that its capacity sets on these scores.
pub(crate) fn threshold(config: &Config, scores: &[f32], time_us: &[i64]) -> Option<Threshold> {
    match (config.alert_above, config.top_per_day) {
        (Some(value), _) => Some(Threshold { value: value as f32, rule: Rule::Fixed }),
        (None, Some(per_day)) => Some(top_per_day(scores, time_us, per_day)),
        (None, None) => None,
    }
}

/// The least score that gives at most `per_day` alerts a day on average over the days that occur in `time_us`.
///
/// Equal scores stay together: a group of ties that would exceed the capacity is left out, unless it is the topmost,
/// for a threshold that nothing reaches would help nobody.
fn top_per_day(scores: &[f32], time_us: &[i64], per_day: u32) -> Threshold {
    let days: BTreeSet<i64> = time_us.iter().map(|t| t.div_euclid(DAY_US)).collect();
    let capacity = days.len() * per_day as usize;
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut value = sorted.first().copied().unwrap_or(1.0);
    if capacity >= sorted.len() {
        value = sorted.last().copied().unwrap_or(1.0);
    } else if let Some(&kept) = sorted[..capacity].iter().rev().find(|&&s| s > sorted[capacity]) {
        value = kept;
    }
    Threshold { value, rule: Rule::TopPerDay(per_day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(scores: &[f32], days: &[i64], per_day: u32, expected: f32) {
        let times: Vec<i64> = days.iter().map(|d| d * DAY_US).collect();
        assert_eq!(top_per_day(scores, &times, per_day).value, expected);
    }

    #[test]
    fn threshold_keeps_the_capacity() {
        check(&[0.1, 0.9, 0.5, 0.7], &[0, 0, 0, 0], 2, 0.7);
        check(&[0.1, 0.9, 0.5, 0.7], &[0, 0, 1, 1], 1, 0.7);
        check(&[0.9, 0.5, 0.5, 0.1], &[0; 4], 2, 0.9);
        check(&[0.9, 0.9, 0.9, 0.1], &[0; 4], 2, 0.9);
        check(&[0.9, 0.5], &[0, 0], 5, 0.5);
        check(&[], &[], 5, 1.0);
    }
}

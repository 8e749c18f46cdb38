//! Which buckets the options mean.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use flow::ledger::BUCKET_OFFSETS;
use flow::plan::{Kind, Plan};
use runtime::log::TopicPartition;

use crate::cli::ledger::Verify;
use crate::environment::Environment;
use crate::error::Error;

/// Microseconds in a millisecond.
const US_PER_MS: i64 = 1_000;

/// Offsets of source partitions.
pub struct Chosen {
    ranges: BTreeMap<(String, u16), Range<i64>>,
}

impl Chosen {
    /// What the options mean on a live log.
    pub fn live(environment: &Environment, options: &Verify) -> Result<Self, Error> {
        let context = &environment.context;
        let mut chosen = Self::planned(&context.plan, options)?;
        for ((topic, partition), range) in &mut chosen.ranges {
            let tp = TopicPartition::new(topic.as_str(), i32::from(*partition));
            if let Some(since) = options.since {
                let first = context.log.offset_at(&tp, since.div_euclid(US_PER_MS))?;
                range.start = range.start.max(first.unwrap_or(i64::MAX));
            }
            if let Some(until) = options.until {
                let end = context.log.offset_at(&tp, until.div_euclid(US_PER_MS))?;
                range.end = range.end.min(end.unwrap_or(i64::MAX));
            }
        }
        Ok(chosen)
    }

    /// What they mean without any log.
    pub fn planned(plan: &Plan, options: &Verify) -> Result<Self, Error> {
        let wanted = options.source.as_deref().unwrap_or_default();
        let range = options.offsets.clone().unwrap_or(0..i64::MAX);
        let topics = plan.topics.iter().filter(|topic| topic.kind == Kind::Source && topic.name.contains(wanted));
        let ranges: BTreeMap<(String, u16), Range<i64>> = topics
            .flat_map(|topic| (0..topic.partitions).map(|partition| (topic.name.clone(), partition as u16)))
            .map(|place| (place, range.clone()))
            .collect();
        if ranges.is_empty() {
            let names: Vec<&str> = plan.names.sources().map(String::as_str).collect();
            return Err(Error::Input(format!("no source has `{wanted}` in its name; there are {}", names.join(", "))));
        }
        Ok(Self { ranges })
    }

    /// Whether a bucket is meant.
    pub fn means(&self, (topic, partition, bucket): &(Arc<str>, u16, i64)) -> bool {
        let first = bucket * BUCKET_OFFSETS;
        let range = self.ranges.get(&(topic.to_string(), *partition));
        range.is_some_and(|range| range.start < first + BUCKET_OFFSETS && first < range.end)
    }
}

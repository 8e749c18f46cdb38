//! Where a part of a topic begins and ends.

use std::ops::Range;
use std::str::FromStr;

use gateway::decode::Start;
use runtime::log::{Log, TopicPartition};

use crate::cli::rows::instant;
use crate::environment::Environment;
use crate::error::Error;

/// A place in each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// By the records that are there.
    Place(Start),
    /// The first record that the log took then or later, in milliseconds since the epoch.
    Time(i64),
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(place) = text.parse() {
            return Ok(Self::Place(place));
        }
        let us = instant(text).map_err(|_| {
            format!(
                "`{text}` is no place in a topic; write start, end, an offset, -N for the last N records, or a time such as 2018-06-18T12:00:00Z"
            )
        })?;
        // A record's time is in whole milliseconds: the first one not before this moment.
        Ok(Self::Time(us.div_euclid(1_000) + i64::from(us.rem_euclid(1_000) > 0)))
    }
}

impl Bound {
    /// The offset in a partition that holds `start` to `end`.
    fn offset(self, log: &dyn Log, tp: &TopicPartition, start: i64, end: i64) -> Result<i64, Error> {
        match self {
            Self::Place(place) => Ok(place.offset(start, end)),
            Self::Time(time_ms) => Ok(log.offset_at(tp, time_ms)?.unwrap_or(end).clamp(start, end)),
        }
    }

    /// The offset that it names in a partition that begins at `start`, whether or not that is still there. Of a time that
    /// lies before all records nobody knows how many had come since.
    fn named(self, (start, end): (i64, i64), found: i64) -> i64 {
        match self {
            Self::Place(Start::Start) => 0,
            Self::Place(Start::Offset(offset)) => offset.clamp(0, end),
            Self::Place(Start::Last(count)) => end.saturating_sub(count).max(0),
            Self::Time(_) if found == start => 0,
            Self::Place(Start::End) | Self::Time(_) => found,
        }
    }
}

/// A part of a topic, fixed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The topic.
    pub topic: String,
    /// What is read of each partition.
    pub offsets: Vec<(TopicPartition, Range<i64>)>,
    /// What of it is deleted from each partition.
    pub deleted: Vec<(TopicPartition, Range<i64>)>,
    /// Append times wanted, where nobody could say at which offsets they begin and end.
    pub times_ms: Range<i64>,
}

impl Part {
    /// The part of a topic as it is now.
    pub fn of(environment: &Environment, topic: &str, from: Bound, to: Bound) -> Result<Self, Error> {
        let log = &environment.context.log;
        let mut times_ms = i64::MIN..i64::MAX;
        let (mut begin, mut stop) = (from, to);
        if environment.remote.is_some() {
            // A gateway tells offsets of no times, so records are chosen as they come.
            if let Bound::Time(time_ms) = from {
                (times_ms.start, begin) = (time_ms, Bound::Place(Start::Start));
            }
            if let Bound::Time(time_ms) = to {
                (times_ms.end, stop) = (time_ms, Bound::Place(Start::End));
            }
        }
        let (mut offsets, mut deleted) = (Vec::new(), Vec::new());
        for partition in 0..log.partitions(topic)?.unwrap_or(0) {
            let tp = TopicPartition::new(topic, partition);
            let (start, end) = log.watermarks(&tp)?;
            let first = begin.offset(&**log, &tp, start, end)?;
            let last = stop.offset(&**log, &tp, start, end)?;
            let gone = begin.named((start, end), first)..start.min(stop.named((start, end), last));
            deleted.extend((!gone.is_empty()).then(|| (tp.clone(), gone)));
            offsets.push((tp, first..last.max(first)));
        }
        Ok(Self { topic: topic.to_owned(), offsets, deleted, times_ms })
    }

    /// Whether a record is in it.
    pub fn has(&self, tp: &TopicPartition, offset: i64, append_time_ms: i64) -> bool {
        let of = self.offsets.iter().find(|(of, _)| of == tp);
        of.is_some_and(|(_, offsets)| offsets.contains(&offset)) && self.times_ms.contains(&append_time_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Bound>) {
        assert_eq!(text.parse::<Bound>().ok(), expected, "{text}");
    }

    #[test]
    fn a_bound_is_a_place_or_a_time() {
        check("start", Some(Bound::Place(Start::Start)));
        check("-5", Some(Bound::Place(Start::Last(5))));
        check("2018", Some(Bound::Place(Start::Offset(2018))));
        // Witness: `date -u -d 2018-06-18 +%s` gives 1529280000.
        check("2018-06-18", Some(Bound::Time(1_529_280_000_000)));
        check("2018-06-18T00:00:00.0001Z", Some(Bound::Time(1_529_280_000_001)));
        check("yesterday", None);
    }
}

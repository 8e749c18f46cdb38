//! How far a run is, as whoever directs it tells it: to the process that measures, a line of JSON each.

use serde_json::{Value, json};

/// A point in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// What went before is through, and publishing by the clock begins.
    Live {
        /// End of each partition of the events topic.
        ends: Vec<i64>,
        /// Events published before.
        events: u64,
        /// Labels published before.
        labels: u64,
    },
    /// Publishing by the clock ended.
    Published {
        /// Events published in all.
        events: u64,
        /// Labels published in all.
        labels: u64,
    },
    /// Everything has gone through, and stayed so for as long as `up --drain` waits too.
    Through {
        /// How long ago everything was through.
        ago_ms: u64,
    },
}

impl Mark {
    /// As a line.
    pub fn line(&self) -> String {
        match self {
            Self::Live { ends, events, labels } => json!({ "live": ends, "events": events, "labels": labels }),
            Self::Published { events, labels } => json!({ "events": events, "labels": labels }),
            Self::Through { ago_ms } => json!({ "through_ago_ms": ago_ms }),
        }
        .to_string()
    }

    /// From a line; nothing when it is none.
    pub fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        if let Some(ago_ms) = value.get("through_ago_ms") {
            return Some(Self::Through { ago_ms: ago_ms.as_u64()? });
        }
        let (events, labels) = (value.get("events")?.as_u64()?, value.get("labels")?.as_u64()?);
        match value.get("live").and_then(Value::as_array) {
            None => Some(Self::Published { events, labels }),
            Some(ends) => {
                let ends = ends.iter().map(Value::as_i64).collect::<Option<_>>()?;
                Some(Self::Live { ends, events, labels })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back() {
        let marks = [
            Mark::Live { ends: vec![3, 0, 7], events: 10, labels: 2 },
            Mark::Published { events: 20, labels: 12 },
            Mark::Through { ago_ms: 3_500 },
        ];
        for mark in marks {
            assert_eq!(Mark::parse(&mark.line()), Some(mark));
        }
        assert_eq!(Mark::parse("gateway at http://127.0.0.1:1"), None);
    }
}

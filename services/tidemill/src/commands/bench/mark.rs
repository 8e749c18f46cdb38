//! How far a run is, as whoever directs it tells it: to the process that measures, a line of JSON each.

use serde_json::{Value, json};

use super::subscriber::Waits;

/// A point in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// What went before is through, and publishing by the clock begins.
    Live {
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
    /// Latencies of the events that were published by the clock.
    Waited(Waits),
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
            Self::Live { events, labels } => json!({ "live": true, "events": events, "labels": labels }),
            Self::Published { events, labels } => json!({ "events": events, "labels": labels }),
            Self::Waited(waits) => json!({ "waited": waits.0.iter().collect::<Vec<_>>() }),
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
        if let Some(waits) = value.get("waited") {
            let waits: Vec<(u64, u64)> = serde_json::from_value(waits.clone()).ok()?;
            return Some(Self::Waited(Waits(waits.into_iter().collect())));
        }
        let (events, labels) = (value.get("events")?.as_u64()?, value.get("labels")?.as_u64()?);
        Some(match value.get("live") {
            None => Self::Published { events, labels },
            Some(_) => Self::Live { events, labels },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back() {
        let marks = [
            Mark::Live { events: 10, labels: 2 },
            Mark::Published { events: 20, labels: 12 },
            Mark::Waited(Waits([(7, 3), (90, 1)].into())),
            Mark::Through { ago_ms: 3_500 },
        ];
        for mark in marks {
            assert_eq!(Mark::parse(&mark.line()), Some(mark));
        }
        assert_eq!(Mark::parse("gateway at http://127.0.0.1:1"), None);
    }
}

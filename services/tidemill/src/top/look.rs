//! Asks gateways what their services do.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

use super::model::{Drift, Look, Seen};
use super::page::Page;
use crate::error::Error;
use crate::remote::Remote;

/// The newest drift reports that are looked at: some of each monitor are among them.
const REPORTS_LOOKED_AT: usize = 16;

/// Gateways, and when the first look was.
pub struct Gateways {
    remotes: Vec<Remote>,
    begun: Instant,
}

impl Gateways {
    /// These gateways.
    pub fn new(remotes: Vec<Remote>) -> Self {
        Self { remotes, begun: Instant::now() }
    }

    /// Looks at all of them.
    pub fn look(&self) -> Look {
        let at_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let seen = |remote: &Remote| (remote.address().to_owned(), see(remote).map_err(|error| error.to_string()));
        Look { at_ms, gateways: self.remotes.iter().map(seen).collect() }
    }
}

fn see(remote: &Remote) -> Result<Seen, Error> {
    let page = Page::read(&remote.metrics()?);
    let health = remote.health()?;
    let reasons = health["reasons"].as_array().into_iter().flatten();
    let lacks = reasons.filter_map(|one| one["error"].as_str().map(str::to_owned)).collect();
    let champion = remote.control()?["champion"].take();
    let champion = champion["name"].as_str().map(|name| format!("{name}@{}", champion["version"]));
    let drift = drift(remote, &page.pipeline)?;
    Ok(Seen { page, lacks, champion, drift })
}

/// The last report of each monitor. A pipeline that watches nothing has none.
fn drift(remote: &Remote, pipeline: &str) -> Result<Vec<Drift>, Error> {
    let query = [("from", format!("-{REPORTS_LOOKED_AT}")), ("follow", "false".to_owned())];
    let query = query.map(|(name, value)| (name.to_owned(), value));
    let mut last = BTreeMap::new();
    let topic = format!("{pipeline}.drift.v1");
    let read = remote.tap(&topic, &query, |line| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(report) = report(&line["value"]) {
            last.insert(report.monitor.clone(), report);
        }
        Ok(true)
    });
    match read {
        // There is no such topic before `apply`; /readyz says that.
        Ok(()) | Err(Error::Input(_)) => Ok(last.into_values().collect()),
        Err(error) => Err(error),
    }
}

fn report(value: &Value) -> Option<Drift> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let statistics = value["statistics"].as_array().into_iter().flatten();
    let values = statistics.filter_map(|one| {
        let value = one["value"].as_f64()?;
        // Statistics of several kinds have limits of their own.
        Some((one["subject"].as_str()?.to_owned(), value, value / one["alarm"].as_f64().unwrap_or(1.0)))
    });
    let worst =
        values.max_by(|(.., one), (.., other)| one.total_cmp(other)).map(|(subject, value, _)| (subject, value));
    Some(Drift {
        monitor: text("monitor")?,
        level: text("level")?,
        too_few: value["events"].as_u64().filter(|_| value["sufficient"] == false),
        worst,
        until: text("window_end").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::draw::of_drift;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_is_told_by_what_differs_most() {
        let value = json!({"monitor": "inputs", "level": "ALARM", "window_end": "2018-07-03T00:00:00Z", "statistics": [
            {"subject": "score", "value": 0.4, "alarm": 1.0}, {"subject": "amount", "value": 0.31, "alarm": 0.25},
            {"subject": "x", "value": null}]});
        let worst = Some(("amount".to_owned(), 0.31));
        let until = "2018-07-03T00:00:00Z".to_owned();
        let (monitor, level, too_few) = ("inputs".to_owned(), "ALARM".to_owned(), None);
        assert_eq!(report(&value), Some(Drift { monitor, level, too_few, worst, until }));
        assert_eq!(report(&json!({"monitor": "inputs"})), None);
    }

    #[test]
    fn a_window_with_too_few_events_is_not_said_to_be_without_drift() {
        let value = json!({"monitor": "inputs", "level": "NONE", "window_end": "2018-07-03T00:00:00Z", "statistics": [],
            "events": 480, "sufficient": false});
        let drift = report(&value).unwrap();
        assert_eq!(drift.too_few, Some(480));
        let said = "inputs not judged until 2018-07-03T00:00:00Z: 480 events are fewer than `min_events`";
        assert_eq!(of_drift(&drift), said);
    }
}

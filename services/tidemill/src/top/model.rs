//! From two looks at the same services to what they did in between.

use std::collections::{BTreeMap, BTreeSet};

use super::page::{Counters, Page};

/// One look at all gateways.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// When, in milliseconds of a clock that only rises.
    pub at_ms: u64,
    /// What each gateway said, by its address.
    pub gateways: Vec<(String, Result<Seen, String>)>,
}

/// What a gateway said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Its metrics.
    pub page: Page,
    /// What its pipeline lacks.
    pub lacks: Vec<String>,
    /// The champion, as `name@version`.
    pub champion: Option<String>,
    /// The last report of each monitor.
    pub drift: Vec<Drift>,
}

/// A drift report, in short.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// What is watched.
    pub monitor: String,
    /// `NONE`, `WARN` or `ALARM`.
    pub level: String,
    /// How many events a window had that had too few to be judged.
    pub too_few: Option<u64>,
    /// What differs most, and by how much.
    pub worst: Option<(String, f64)>,
    /// End of the window, as text.
    pub until: String,
}

/// How a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It took records since the last look.
    Works,
    /// It has partitions, and no record came.
    Idle,
    /// Others have all partitions.
    Waits,
    /// It is in none of the processes that are watched; only its lag is known.
    Elsewhere,
    /// It was there, and is not any more.
    Gone,
    /// Too little is known yet.
    New,
}

/// A service.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub service: String,
    /// The gateway of its process; none where nobody says anything of it.
    pub gateway: Option<String>,
    /// How it is.
    pub state: State,
    /// Records taken in a second.
    pub in_per_s: Option<f64>,
    /// Records published in a second.
    pub out_per_s: Option<f64>,
    /// How old what it took last was then, in milliseconds.
    pub delay_ms: Option<u64>,
    /// Records that it is behind.
    pub lag: Option<u64>,
    /// Partitions that it has.
    pub partitions: Option<u64>,
    /// Starts after the outside world failed.
    pub restarts: Option<u64>,
}

/// Keeps what was seen before: who is gone is still told.
#[derive(Debug, Default)]
pub struct History {
    last: Option<Look>,
    /// Services by gateway.
    known: BTreeSet<(String, String)>,
}

impl History {
    /// The rows of a look, compared with the one before.
    pub fn take(&mut self, look: Look) -> Vec<Row> {
        let mut rows = Vec::new();
        let elapsed_s = self.last.as_ref().map(|last| look.at_ms.saturating_sub(last.at_ms) as f64 / 1_000.0);
        let lag = lag(&look);
        for (gateway, seen) in &look.gateways {
            for (service, counters) in seen.iter().flat_map(|seen| &seen.page.services) {
                self.known.insert((gateway.clone(), service.clone()));
                let before = self.before(gateway, service).zip(elapsed_s.filter(|elapsed_s| *elapsed_s > 0.0));
                rows.push(row(gateway, service, counters, before, lag.get(service).copied()));
            }
        }
        let is_shown = |rows: &[Row], gateway: Option<&String>, service: &String| {
            rows.iter().any(|row| row.service == *service && (gateway.is_none() || row.gateway.as_ref() == gateway))
        };
        for (gateway, service) in &self.known {
            if !is_shown(&rows, Some(gateway), service) {
                rows.push(absent(service, Some(gateway.clone()), State::Gone, lag.get(service).copied()));
            }
        }
        for (service, lag) in &lag {
            if !is_shown(&rows, None, service) {
                rows.push(absent(service, None, State::Elsewhere, Some(*lag)));
            }
        }
        let place = |row: &Row| (order(&row.service), row.service.clone(), row.gateway.clone());
        rows.sort_by_cached_key(place);
        self.last = Some(look);
        rows
    }

    fn before(&self, gateway: &str, service: &str) -> Option<&Counters> {
        let last = self.last.as_ref()?.gateways.iter().find(|(address, _)| address == gateway)?;
        last.1.as_ref().ok()?.page.services.get(service)
    }
}

/// The way of an event through the services.
const ORDER: [&str; 6] = ["validator", "featurizer", "scorer", "monitor", "trainer", "archiver"];

fn order(service: &str) -> usize {
    let kind = service.split('.').next().unwrap_or_default();
    ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len())
}

/// Records behind, by service. Each gateway tells those of the whole pipeline; who asked last knows best.
fn lag(look: &Look) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for seen in look.gateways.iter().filter_map(|(_, seen)| seen.as_ref().ok()) {
        for (group, lag) in &seen.page.lag {
            let service = group.strip_prefix(&format!("{}.", seen.page.pipeline)).unwrap_or(group);
            // A later generation reads the sources under a name of its own.
            let service = match service.rsplit_once(".g") {
                Some((service, number)) if number.parse::<u32>().is_ok() => service,
                _ => service,
            };
            found.insert(service.to_owned(), *lag);
        }
    }
    found
}

fn row(gateway: &str, service: &str, now: &Counters, before: Option<(&Counters, f64)>, lag: Option<u64>) -> Row {
    let rate =
        |of: fn(&Counters) -> u64| before.map(|(before, elapsed_s)| risen(of(before), of(now)) as f64 / elapsed_s);
    let in_per_s = rate(|counters| counters.records_in);
    let state = match in_per_s {
        _ if now.partitions == 0 => State::Waits,
        None => State::New,
        Some(rate) if rate > 0.0 => State::Works,
        Some(_) => State::Idle,
    };
    Row {
        service: service.to_owned(),
        gateway: Some(gateway.to_owned()),
        // What is idle has no delay; its last one says nothing of now.
        delay_ms: (state == State::Works).then_some(now.delay_ms),
        state,
        in_per_s,
        out_per_s: rate(|counters| counters.records_out),
        lag,
        partitions: Some(now.partitions),
        restarts: Some(now.restarts),
    }
}

fn absent(service: &str, gateway: Option<String>, state: State, lag: Option<u64>) -> Row {
    Row {
        service: service.to_owned(),
        gateway,
        state,
        in_per_s: None,
        out_per_s: None,
        delay_ms: None,
        lag,
        partitions: None,
        restarts: None,
    }
}

/// By how much a counter rose. One that fell began again with its process, at nothing.
fn risen(before: u64, now: u64) -> u64 {
    if now >= before { now - before } else { now }
}

#[cfg(test)]
mod tests;

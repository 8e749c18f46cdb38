//! What a metrics page says of services.

use std::collections::BTreeMap;

/// Counters of one service of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records taken.
    pub records_in: u64,
    /// Records published.
    pub records_out: u64,
    /// Starts after the outside world failed.
    pub restarts: u64,
    /// Partitions that it owns now.
    pub partitions: u64,
    /// How long ago the log had taken the newest record of the last poll when it was handled, in milliseconds.
    pub delay_ms: u64,
}

/// A metrics page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The pipeline.
    pub pipeline: String,
    /// The release that runs.
    pub version: String,
    /// Services of the process.
    pub services: BTreeMap<String, Counters>,
    /// Records that each consumer group of the pipeline is behind.
    pub lag: BTreeMap<String, u64>,
    /// Records that failed a check: rejected, flagged, imputed and so on.
    pub failed: BTreeMap<String, u64>,
    /// Labels by what became of them: paired, waiting for their event and so on.
    pub labels: BTreeMap<String, u64>,
}

impl Page {
    /// Reads the text format of Prometheus; series that nothing here is about are left out.
    pub fn read(text: &str) -> Self {
        let mut page = Page::default();
        for (name, labels, value) in text.lines().filter_map(series) {
            let label = |wanted: &str| labels.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
            let name = name.strip_suffix("_total").unwrap_or(name);
            match (name, label("service"), label("group"), label("outcome")) {
                ("tidemill_build_info", ..) => {
                    page.pipeline = label("pipeline").unwrap_or_default();
                    page.version = label("version").unwrap_or_default();
                }
                ("tidemill_lag_records", _, Some(group), _) => *page.lag.entry(group).or_default() += value,
                ("tidemill_labels", .., Some(outcome)) => *page.labels.entry(outcome).or_default() += value,
                ("tidemill_failed_records", .., Some(outcome)) => *page.failed.entry(outcome).or_default() += value,
                (name, Some(service), ..) => page.services.entry(service).or_default().take(name, value),
                _ => {}
            }
        }
        page
    }
}

impl Counters {
    fn take(&mut self, name: &str, value: u64) {
        match name {
            "tidemill_records_in" => self.records_in = value,
            "tidemill_records_out" => self.records_out = value,
            "tidemill_restarts" => self.restarts = value,
            "tidemill_partitions" => self.partitions = value,
            "tidemill_delay_ms" => self.delay_ms = value,
            _ => {}
        }
    }
}

/// A series: its name, labels and value.
type Series<'a> = (&'a str, Vec<(String, String)>, u64);

fn series(line: &str) -> Option<Series<'_>> {
    if line.starts_with('#') {
        return None;
    }
    let (name, rest) = line.split_at(line.find(['{', ' '])?);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value: f64 = value.trim().split(' ').next()?.parse().ok()?;
    // Everything that is read here counts something.
    Some((name, labels, if value > 0.0 { value as u64 } else { 0 }))
}

/// The labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((found, rest));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (mut value, mut end, mut letters) = (String::new(), None, after.char_indices());
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    end = Some(at);
                    break;
                }
                '\\' => match letters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                other => value.push(other),
            }
        }
        found.push((name.to_owned(), value));
        rest = &after[end? + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let text = r#"# HELP tidemill_records_in_total records in of a service
# TYPE tidemill_records_in_total counter
tidemill_records_in_total{service="scorer"} 12
tidemill_records_out_total{service="scorer"} 1.2e1
tidemill_partitions{service="scorer"} 4
tidemill_delay_ms{service="scorer"} 17
tidemill_lag_records{group="p.scorer",partition="0",topic="a"} 3
tidemill_lag_records{group="p.scorer",partition="1",topic="a"} 4
tidemill_failed_records_total{outcome="rejected",reason="a \"b\", c}"} 2
tidemill_failed_records_total{outcome="rejected",reason="d"} 1
tidemill_labels{outcome="waiting"} 9
tidemill_build_info{pipeline="p",version="0.1.0"} 1
other 5
broken{a="b
"#;
        let page = Page::read(text);
        let scorer = Counters { records_in: 12, records_out: 12, restarts: 0, partitions: 4, delay_ms: 17 };
        assert_eq!(page.services, BTreeMap::from([("scorer".to_owned(), scorer)]));
        assert_eq!(page.lag, BTreeMap::from([("p.scorer".to_owned(), 7)]));
        assert_eq!(page.failed, BTreeMap::from([("rejected".to_owned(), 3)]));
        assert_eq!(page.labels, BTreeMap::from([("waiting".to_owned(), 9)]));
        assert_eq!((page.pipeline.as_str(), page.version.as_str()), ("p", "0.1.0"));
    }
}

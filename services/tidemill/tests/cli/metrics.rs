//! What a running process tells is what `docs/reference/metrics.md` describes; a test of the suite makes that page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Running, check, command, folder, lines, wait_for};

/// One metric of the page.
#[derive(Debug, Default, PartialEq)]
struct Metric {
    kind: String,
    what: String,
    labels: BTreeSet<String>,
}

/// Names of a series' labels.
fn labels(series: &str) -> impl Iterator<Item = String> {
    let inner = series.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
    let parts: Vec<&str> = inner.split("=\"").collect();
    let names = parts.into_iter().map(|part| part.rsplit([',', '"']).next().unwrap_or_default().to_owned());
    names.filter(|name| !name.is_empty()).collect::<Vec<_>>().into_iter()
}

fn metrics(page: &str) -> BTreeMap<String, Metric> {
    let mut found: BTreeMap<String, Metric> = BTreeMap::new();
    for line in page.lines() {
        let described = |mark| line.strip_prefix(mark).and_then(|rest: &str| rest.split_once(' '));
        if let Some((name, what)) = described("# HELP ") {
            found.entry(name.to_owned()).or_default().what = what.to_owned();
        } else if let Some((name, kind)) = described("# TYPE ") {
            found.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else if let Some((series, _)) = line.rsplit_once(' ') {
            let name = series.split('{').next().unwrap_or_default();
            found.entry(name.to_owned()).or_default().labels.extend(labels(series));
        }
    }
    found
}

/// The metrics that the reference describes.
fn reference() -> BTreeMap<String, Metric> {
    let text = include_str!("../../../../docs/reference/metrics.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let row = |row: &str| {
        let [name, kind, labels, what] = row.split(" | ").collect::<Vec<_>>()[..] else { panic!("{row}") };
        let labels = labels.split(", ").map(|label| label.trim_matches('`').to_owned()).collect();
        (name.trim_end_matches('`').to_owned(), Metric { kind: kind.to_owned(), what: what.to_owned(), labels })
    };
    rows.map(row).collect()
}

/// Checks that a process tells nothing that the reference does not describe just so.
#[track_caller]
pub fn as_described(page: &str) {
    let reference = reference();
    for (name, metric) in metrics(page) {
        assert_eq!(reference.get(&name), Some(&metric), "{name}");
    }
}

/// The metrics page of the process in this folder.
pub fn page(dir: &Path) -> String {
    let address = std::fs::read_to_string(dir.join(".tidemill/gateway")).expect("an address");
    let address = address.lines().next().unwrap_or_default().trim().to_owned();
    let answer = ureq::get(format!("http://{address}/metrics")).call().expect("an answer");
    answer.into_body().read_to_string().expect("a text")
}

#[test]
fn a_process_tells_the_metrics_that_are_described() {
    let dir = folder();
    let dir = dir.path();
    check(dir, &["init", "--template", "fraud"], 0, &[]);
    // An event that a rule rejects, so that there is a reason to count it by.
    let events = dir.join("events.csv");
    let bad = std::fs::read_to_string(&events).expect("a sample");
    let mut rows: Vec<&str> = bad.lines().collect();
    let amount = rows[0].split(',').position(|column| column == "TX_AMOUNT").expect("an amount");
    let mut cells: Vec<&str> = rows[1].split(',').collect();
    cells[amount] = "-1";
    let row = cells.join(",");
    rows[1] = &row;
    std::fs::write(&events, rows.join("\n")).expect("a file");
    let up = command(dir, &["up", "--listen", "127.0.0.1:0"]).stderr(Stdio::null()).spawn();
    let _up = Running(up.expect("the binary runs"));
    wait_for(&dir.join(".tidemill/gateway"));
    check(dir, &["publish", "events.csv", "--label-column", "TX_FRAUD"], 0, &["published"]);
    let rejected = ["tap", "fraud.transactions.events.v1.validator.dlq", "--follow", "--from", "start", "--limit", "1"];
    assert_eq!(lines(&check(dir, &rejected, 0, &[])).len(), 1);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut found = metrics(&page(dir));
    while !found.contains_key("tidemill_failed_records_total") {
        assert!(Instant::now() < deadline, "it is not counted: {}", page(dir));
        found = metrics(&page(dir));
    }
    as_described(&page(dir));
    // All but categories that a model does not know, of which there are none.
    let told: BTreeSet<_> = found.into_keys().collect();
    let missing: Vec<_> = reference().into_keys().filter(|name| !told.contains(name)).collect();
    assert_eq!(missing, ["tidemill_gateway_unknown_categories_total"]);
}

//! `docs/reference/metrics.md`, made of the page that a running process serves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use expect_test::expect_file;

use super::{Running, check, command, folder, lines, wait_for};

const HEAD: &str = "\
# Metrics

`GET /metrics` of a process's gateway is for Prometheus and those who read its text format: one value per process, and of
counters how much since its start. `UPDATE_EXPECT=1 cargo test --workspace metrics_are_described` writes this page.

| metric | kind | labels | what |
| --- | --- | --- | --- |
";

/// One metric of the page.
#[derive(Default)]
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

fn page(dir: &Path) -> String {
    let address = std::fs::read_to_string(dir.join(".tidemill/gateway")).expect("an address");
    let address = address.lines().next().unwrap_or_default().trim().to_owned();
    let answer = ureq::get(format!("http://{address}/metrics")).call().expect("an answer");
    answer.into_body().read_to_string().expect("a text")
}

#[test]
fn metrics_are_described() {
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
    let mut text = HEAD.to_owned();
    for (name, Metric { kind, what, labels }) in &found {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        writeln!(text, "| `{name}` | {kind} | {labels} | {what} |").expect("a text grows");
    }
    expect_file!["../../../../docs/reference/metrics.md"].assert_eq(&text);
}

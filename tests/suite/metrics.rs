//! The metrics page of a gateway, and `docs/reference/metrics.md`, made of the instruments that there are.

use std::fmt::Write as _;

use expect_test::expect_file;
use gateway::metrics::{Kind, Metric, described};
use serde_json::json;

use crate::served::{EVENTS, Served, transaction};

const HEAD: &str = "\
# Metrics

`GET /metrics` of a process's gateway is for Prometheus and those who read its text format: one value per process, and of
counters how much since its start. A metric with labels is there once there is something to tell of it.
`UPDATE_EXPECT=1 cargo test --workspace metrics_are_described` writes this page.

| metric | kind | labels | what |
| --- | --- | --- | --- |
";

#[test]
fn the_metrics_page_has_counters_and_lag() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    assert_eq!(served.post_json(EVENTS, &json!([transaction(1), transaction(2)])).0, 202);
    let (status, text) = served.get("/metrics");
    assert_eq!(status, 200);
    let mut lag = 0.0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let value: f64 = value.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(series.starts_with("tidemill_"), "{line}");
        if series.contains(r#"group="fraud.validator""#) {
            lag += value;
        }
    }
    assert_eq!(lag, 2.0, "nobody validated them yet: {text}");
    let said = [
        r#"tidemill_records_in_total{service="validator"} 0"#,
        r#"tidemill_partitions{service="scorer"} 0"#,
        r#"tidemill_gateway_records_total{outcome="accepted"} 2"#,
        "tidemill_build_info{",
    ];
    said.iter().for_each(|said| assert!(text.contains(said), "{said} in {text}"));
    served.stop();
}

#[test]
fn metrics_are_described() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let mut text = HEAD.to_owned();
    for Metric { name, kind, labels, what } in described(&served.deployment.context).unwrap() {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        writeln!(text, "| `{name}` | {kind} | {} | {what} |", labels.join(", ")).unwrap();
    }
    expect_file!["../../docs/reference/metrics.md"].assert_eq(&text);
    served.stop();
}

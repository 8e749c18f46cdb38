//! A look as text for people and as JSON for programs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::{Drift, Look, Row, State};
use crate::output::table;

/// What stands where nothing is known.
const UNKNOWN: &str = "-";
const HEADINGS: [&str; 8] = ["SERVICE", "STATE", "IN/S", "OUT/S", "DELAY", "LAG", "PARTITIONS", "RESTARTS"];

/// All lines of a picture.
pub fn text(look: &Look, rows: &[Row]) -> String {
    let mut text = String::new();
    for (address, seen) in &look.gateways {
        let line = match seen {
            Err(error) => format!("{address}  gone: {error}"),
            Ok(seen) => {
                let state = if seen.lacks.is_empty() {
                    "ready".to_owned()
                } else {
                    format!("not ready: {}", seen.lacks.join("; "))
                };
                format!("{address}  pipeline {}, release {}, {state}", seen.page.pipeline, seen.page.version)
            }
        };
        text.push_str(&line);
        text.push('\n');
    }
    let all = || look.gateways.iter().filter_map(|(_, seen)| seen.as_ref().ok());
    let champion = all().find_map(|seen| seen.champion.as_deref());
    text.push_str(&format!("model {}", champion.unwrap_or("none")));
    let drift: Vec<String> =
        all().find(|seen| !seen.drift.is_empty()).into_iter().flat_map(|seen| &seen.drift).map(of_drift).collect();
    text.push_str(&format!(
        "; drift: {}\n",
        if drift.is_empty() { "no report yet".to_owned() } else { drift.join("; ") }
    ));
    let failed: Vec<String> =
        all().flat_map(|seen| &seen.page.failed).map(|(outcome, records)| format!("{records} {outcome}")).collect();
    if !failed.is_empty() {
        text.push_str(&format!("records that failed a check: {}\n", failed.join(", ")));
    }
    text.push_str(&labels(all().flat_map(|seen| &seen.page.labels)));
    let several = look.gateways.len() > 1;
    let headings: Vec<&str> = HEADINGS.into_iter().chain(several.then_some("GATEWAY")).collect();
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, several)).collect();
    text.push('\n');
    text + &table(&headings, &cells)
}

/// What became of labels; where none has found its event, how that comes.
fn labels<'a>(of_all: impl Iterator<Item = (&'a String, &'a u64)>) -> String {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    of_all.for_each(|(outcome, count)| *sums.entry(outcome).or_default() += count);
    sums.retain(|_, count| *count > 0);
    if sums.is_empty() {
        return String::new();
    }
    let said: Vec<String> = sums.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    let none = match sums.contains_key("waiting") && !sums.contains_key("paired") {
        true => "; no event has the id of any of them: both must be the same to the letter",
        false => "",
    };
    format!("labels: {}{none}\n", said.join(", "))
}

/// A report in short.
pub fn of_drift(drift: &Drift) -> String {
    let Drift { monitor, level, too_few, worst, until } = drift;
    if let Some(events) = too_few {
        return format!("{monitor} not judged until {until}: {events} events are fewer than `min_events`");
    }
    let worst = worst.as_ref().map(|(subject, value)| format!(", most in {subject}: {value:.3}"));
    format!("{monitor} {level} until {until}{}", worst.unwrap_or_default())
}

fn cells(row: &Row, several: bool) -> Vec<String> {
    let or = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
    let count = |number: Option<u64>| or(number.map(|number| number.to_string()));
    let rate = |rate: Option<f64>| or(rate.map(|rate| format!("{rate:.1}")));
    let mut cells = vec![
        row.service.clone(),
        word(&row.state).to_owned(),
        rate(row.in_per_s),
        rate(row.out_per_s),
        or(row.delay_ms.map(|ms| format!("{ms} ms"))),
        count(row.lag),
        count(row.partitions),
        count(row.restarts),
    ];
    if several {
        cells.push(row.gateway.clone().unwrap_or_else(|| UNKNOWN.to_owned()));
    }
    cells
}

fn word(state: &State) -> &'static str {
    match state {
        State::Works => "works",
        State::Idle => "idle",
        State::Waits => "waits",
        State::Elsewhere => "elsewhere",
        State::Gone => "gone",
        State::New => "new",
    }
}

/// The same for programs.
pub fn value(look: &Look, rows: &[Row]) -> Value {
    let gateways = look.gateways.iter().map(|(address, seen)| match seen {
        Err(error) => json!({ "gateway": address, "gone": error }),
        Ok(seen) => json!({
            "gateway": address,
            "pipeline": seen.page.pipeline,
            "version": seen.page.version,
            "lacks": seen.lacks,
            "champion": seen.champion,
            "failed": seen.page.failed,
            "labels": seen.page.labels,
            "drift": seen.drift.iter().map(|drift| json!({
                "monitor": drift.monitor,
                "level": drift.level,
                "judged": drift.too_few.is_none(),
                "until": drift.until,
                "worst": drift.worst.as_ref().map(|(subject, value)| json!({ "subject": subject, "value": value })),
            })).collect::<Vec<_>>(),
        }),
    });
    let services = rows.iter().map(|row| {
        json!({
            "service": row.service,
            "gateway": row.gateway,
            "state": word(&row.state),
            "in_per_s": row.in_per_s,
            "out_per_s": row.out_per_s,
            "delay_ms": row.delay_ms,
            "lag": row.lag,
            "partitions": row.partitions,
            "restarts": row.restarts,
        })
    });
    json!({ "gateways": gateways.collect::<Vec<_>>(), "services": services.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests;

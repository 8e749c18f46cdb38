//! `tidemill dlq list`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::letters::{Dead, State, all, means};
use crate::cli::dlq::Which;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, table};
use crate::rows::time;

/// Longest detail in a table; programs get all of it.
const DETAIL_CHARS_MAX: usize = 80;

pub fn run(environment: &Environment, output: Output, which: &Which, limit: usize) -> Result<(), Error> {
    let mut found = all(environment, which.source.as_deref())?;
    found.retain(|dead| means(which, dead));
    found.sort_by_key(|dead| dead.rejected_ms);
    let shown = &found[found.len().saturating_sub(limit)..];
    output.show(|| text(&found, shown), || value(&found, shown))
}

/// Letters by code: how many, and how many of them nobody has retried.
fn codes(found: &[Dead]) -> BTreeMap<&str, (u64, u64)> {
    let mut codes: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for dead in found {
        let (letters, open) = codes.entry(&dead.code).or_default();
        *letters += 1;
        *open += u64::from(dead.state == State::Open);
    }
    codes
}

fn text(found: &[Dead], shown: &[Dead]) -> String {
    if found.is_empty() {
        return "there are no dead letters, or none that is meant".to_owned();
    }
    let row = |dead: &Dead| {
        let detail = dead.detail.chars().take(DETAIL_CHARS_MAX).collect();
        let rejected = time(dead.rejected_ms * 1_000);
        vec![
            dead.letter.id(),
            rejected,
            dead.code.clone(),
            dead.letter.attempt.to_string(),
            dead.state.word().to_owned(),
            detail,
        ]
    };
    let mut text =
        table(&["ID", "REJECTED", "CODE", "RETRY", "STATE", "DETAIL"], &shown.iter().map(row).collect::<Vec<_>>());
    if shown.len() < found.len() {
        text.push_str(&format!("and {} before; --limit shows more\n", found.len() - shown.len()));
    }
    let codes = codes(found).into_iter();
    let rows: Vec<_> =
        codes.map(|(code, (letters, open))| vec![code.to_owned(), letters.to_string(), open.to_string()]).collect();
    text + "\n" + &table(&["CODE", "LETTERS", "OPEN"], &rows)
}

fn value(found: &[Dead], shown: &[Dead]) -> Value {
    let codes = codes(found).into_iter();
    let codes = codes.map(|(code, (letters, open))| (code.to_owned(), json!({"letters": letters, "open": open})));
    json!({
        "letters": shown.iter().map(one).collect::<Vec<_>>(),
        "codes": codes.collect::<serde_json::Map<_, _>>(),
    })
}

/// A letter for programs.
pub fn one(dead: &Dead) -> Value {
    let Dead { letter, place: (tp, offset), rejected_ms, code, detail, state } = dead;
    json!({
        "id": letter.id(), "topic": letter.topic, "partition": letter.partition, "offset": letter.offset,
        "attempt": letter.attempt, "code": code, "detail": detail, "rejected": time(rejected_ms * 1_000),
        "state": state.word(), "at": format!("{tp}/{offset}"),
    })
}

//! `tidemill dlq show`.

use gateway::decode::Values;
use runtime::log::Record;
use schemas::reject::Help;
use serde_json::{Value, json};
use validator::retry::original;

use super::letters::{Dead, State, all, headers, help, of};
use super::list::one;
use super::read::read;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::Output;
use crate::rows::time;

/// Bytes in a line of hexadecimal digits.
const LINE_BYTES: usize = 16;
/// Most bytes that are shown to people; programs get all of them.
const SHOWN_BYTES_MAX: usize = 1_024;

pub fn run(environment: &Environment, output: Output, id: &str) -> Result<(), Error> {
    let all = all(environment, None)?;
    let letters = of(&all, id)?;
    let Some(last) = letters.last() else { return Ok(()) };
    let record = record(environment, last)?;
    let mut decoded = Values::default().decode(&*environment.context.schemas, std::slice::from_ref(&record))?;
    let decoded = decoded.pop().unwrap_or_default();
    output.show(|| text(&letters, &record, &decoded), || value(&letters, &record, &decoded))
}

/// The record of a letter.
fn record(environment: &Environment, dead: &Dead) -> Result<Record, Error> {
    let (tp, offset) = &dead.place;
    let mut found = None;
    read(environment, &tp.topic, |at, record| {
        if at == tp && record.offset == *offset {
            found = Some(record);
        }
        Ok(())
    })?;
    found.ok_or_else(|| Error::Failed(format!("{tp} has lost the record at {offset} meanwhile")))
}

fn text(letters: &[&Dead], record: &Record, decoded: &Value) -> String {
    let mut text = String::new();
    for dead in letters {
        let retry = if dead.letter.attempt > 0 { format!("retry {}, ", dead.letter.attempt) } else { String::new() };
        let (tp, offset) = &dead.place;
        let rejected = time(dead.rejected_ms * 1_000);
        text.push_str(&format!("{}: {retry}rejected {rejected}, in {tp}/{offset}\n", dead.letter.id()));
        text.push_str(&format!("  {}: {}\n", dead.code, dead.detail));
    }
    let Some(last) = letters.last() else { return text };
    if let Some(Help { cause, remedy: what, .. }) = help(last) {
        text.push_str(&format!("cause:   {cause}\nto do:   {what}\n"));
    }
    let next = match last.state {
        State::Open => format!("once that is done: tidemill dlq retry {}", last.letter.id()),
        _ => format!("it was retried; tidemill ledger show {} tells what became of it", last.letter.id()),
    };
    text.push_str(&format!("         {next}\n"));
    let plain = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok().filter(|text| !text.contains(char::is_control));
    let shown = |bytes: Option<&bytes::Bytes>| match bytes {
        None => "null".to_owned(),
        Some(bytes) => plain(bytes).unwrap_or_else(|| hex(bytes)),
    };
    text.push_str(&format!("key:     {}\n", shown(record.key.as_ref())));
    for (name, value) in original(&headers(record)) {
        text.push_str(&format!("header:  {name} = {}\n", shown(value.as_ref())));
    }
    match (&record.value, is_decoded(decoded)) {
        (None, _) => text.push_str("value:   null\n"),
        (Some(_), true) => fields(decoded, &mut text),
        (Some(value), false) => dump(value, &mut text),
    }
    text
}

/// Whether a value was decoded, and is not shown as bytes or text.
fn is_decoded(decoded: &Value) -> bool {
    decoded
        .as_object()
        .is_some_and(|fields| !(fields.len() == 1 && (fields.contains_key("bytes") || fields.contains_key("text"))))
}

fn fields(decoded: &Value, text: &mut String) {
    text.push_str("value:\n");
    for (name, value) in decoded.as_object().into_iter().flatten() {
        text.push_str(&format!("  {name}: {value}\n"));
    }
}

fn dump(bytes: &[u8], text: &mut String) {
    text.push_str(&format!("value:   {} bytes that do not decode\n", bytes.len()));
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES_MAX)];
    for (at, line) in shown.chunks(LINE_BYTES).enumerate() {
        let letter = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        let letters: String = line.iter().map(letter).collect();
        text.push_str(&format!("  {:06x}  {:<47}  {letters}\n", at * LINE_BYTES, spaced(line)));
    }
    if shown.len() < bytes.len() {
        text.push_str(&format!("  and {} more; --output json has all\n", bytes.len() - shown.len()));
    }
}

fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn value(letters: &[&Dead], record: &Record, decoded: &Value) -> Value {
    let bytes = |bytes: Option<&bytes::Bytes>| bytes.map(|bytes| hex(bytes));
    let header = |(name, value): &(std::borrow::Cow<'static, str>, Option<bytes::Bytes>)| json!({"name": name, "bytes": bytes(value.as_ref()), "text": value.as_ref().and_then(|value| std::str::from_utf8(value).ok())});
    let help = letters.last().and_then(|last| help(last));
    json!({
        "letters": letters.iter().map(|dead| one(dead)).collect::<Vec<_>>(),
        "cause": help.map(|help| help.cause),
        "to_do": help.map(|help| help.remedy),
        "key": bytes(record.key.as_ref()),
        "headers": headers(record).iter().map(header).collect::<Vec<_>>(),
        "value": bytes(record.value.as_ref()),
        "decoded": if is_decoded(decoded) { decoded.clone() } else { Value::Null },
    })
}

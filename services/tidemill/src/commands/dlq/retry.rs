//! `tidemill dlq retry`.

use std::collections::{BTreeMap, BTreeSet};

use flow::plan::Names;
use flow::processor::InRecord;
use runtime::log::{Header, Input, Publish, Record, SessionOptions, TopicPartition};
use serde_json::{Value, json};
use validator::retry::{Letter, again, rehearse};

use super::letters::{Dead, State, all, headers, means, of};
use super::read::read;
use crate::cli::dlq::Retry;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{Output, table};

/// A letter that is retried, or why it cannot be.
struct Done {
    letter: Letter,
    code: String,
    /// Why it is not published.
    refused: Option<String>,
    /// Why it would be rejected, where that was asked.
    reason: Option<(String, String)>,
}

pub fn run(environment: &Environment, output: Output, options: &Retry) -> Result<(), Error> {
    let all = all(environment, options.which.source.as_deref())?;
    let (chosen, before) = chosen(&all, options)?;
    let done = match options.dry_run {
        true => tried(environment, &chosen)?,
        false => published(environment, &chosen)?,
    };
    output.show(|| text(&done, before, options), || value(&done, before, options))?;
    let named = !options.ids.is_empty();
    match done.iter().find_map(|done| done.refused.as_ref().map(|why| (done, why))) {
        Some((done, why)) if named => Err(Error::Input(format!("{} cannot be retried: {why}", done.letter.id()))),
        _ => Ok(()),
    }
}

/// The letters to retry, and how many were left out because they were retried before.
fn chosen<'d>(all: &'d [Dead], options: &Retry) -> Result<(Vec<&'d Dead>, usize), Error> {
    if options.ids.is_empty() {
        let meant = all.iter().filter(|dead| dead.state != State::Again && means(&options.which, dead));
        let (open, before): (Vec<_>, Vec<_>) = meant.partition(|dead| dead.state == State::Open);
        return Ok((open, before.len()));
    }
    let mut chosen: Vec<&Dead> = Vec::new();
    for id in &options.ids {
        let Some(last) = of(all, id)?.pop() else { continue };
        if last.state != State::Open {
            let (id, retry) = (last.letter.id(), last.letter.attempt + 1);
            return Err(Error::Input(format!(
                "{id} was retried already (retry {retry}); `tidemill ledger show {id}` tells what became of it"
            )));
        }
        if !chosen.iter().any(|known| known.place == last.place) {
            chosen.push(last);
        }
    }
    Ok((chosen, 0))
}

/// Hands the records of these letters to `each`.
fn records(
    environment: &Environment,
    chosen: &[&Dead],
    mut each: impl FnMut(&Dead, &TopicPartition, Record) -> Result<(), Error>,
) -> Result<(), Error> {
    let wanted: BTreeMap<_, &Dead> = chosen.iter().map(|dead| (&dead.place, *dead)).collect();
    let topics: BTreeSet<_> = chosen.iter().map(|dead| dead.place.0.topic.clone()).collect();
    for topic in topics {
        read(environment, &topic, |tp, record| match wanted.get(&(tp.clone(), record.offset)) {
            Some(dead) => each(dead, tp, record),
            None => Ok(()),
        })?;
    }
    Ok(())
}

fn published(environment: &Environment, chosen: &[&Dead]) -> Result<Vec<Done>, Error> {
    let options = SessionOptions { durable: true, ..SessionOptions::new("tidemill.dlq", Input::None) };
    let mut session = environment.context.log.session(options)?;
    let mut done = Vec::new();
    records(environment, chosen, |dead, tp, record| {
        let refused = match again(&headers(&record)) {
            Err(refused) => Some(refused.to_string()),
            Ok(headers) => {
                let Record { key, value, .. } = record;
                let headers = headers.into_iter().map(|(name, value)| Header { name, value }).collect();
                let topic = Names::retries(&dead.letter.topic).into();
                session.publish(Publish { topic, partition: Some(tp.partition), key, value, headers })?;
                None
            }
        };
        done.push(Done { letter: dead.letter.clone(), code: dead.code.clone(), refused, reason: None });
        Ok(())
    })?;
    session.flush()?;
    session.close()?;
    Ok(done)
}

/// What the validator would say to each.
fn tried(environment: &Environment, chosen: &[&Dead]) -> Result<Vec<Done>, Error> {
    let mut done = Vec::new();
    let mut open: BTreeMap<(String, u16), Vec<(InRecord, Done)>> = BTreeMap::new();
    records(environment, chosen, |Dead { letter, code, .. }, _, record| {
        let one = Done { letter: letter.clone(), code: code.clone(), refused: None, reason: None };
        match again(&headers(&record)) {
            Err(refused) => done.push(Done { refused: Some(refused.to_string()), ..one }),
            Ok(headers) => {
                let Record { offset, append_time_ms, key, value, .. } = record;
                let record = InRecord { offset, append_time_ms, key, value, headers };
                open.entry((letter.topic.clone(), letter.partition)).or_default().push((record, one));
            }
        }
        Ok(())
    })?;
    for ((source, partition), ones) in open {
        let (records, ones): (Vec<InRecord>, Vec<Done>) = ones.into_iter().unzip();
        let told = rehearse(&environment.context, &source, partition, &records)?;
        done.extend(ones.into_iter().zip(told).map(|(one, reason)| Done { reason, ..one }));
    }
    Ok(done)
}

fn text(done: &[Done], before: usize, options: &Retry) -> String {
    let mut text = String::new();
    if options.dry_run && !done.is_empty() {
        let row = |done: &Done| {
            let told = match (&done.refused, &done.reason) {
                (Some(why), _) => why.clone(),
                (None, Some((code, detail))) => format!("rejected again, {code}: {detail}"),
                (None, None) => "accepted".to_owned(),
            };
            vec![done.letter.id(), done.code.clone(), told]
        };
        text.push_str(&table(&["ID", "CODE", "WOULD BE"], &done.iter().map(row).collect::<Vec<_>>()));
    } else {
        let refused = done.iter().filter_map(|done| Some((done, done.refused.as_ref()?)));
        refused.for_each(|(done, why)| text.push_str(&format!("{} cannot be retried: {why}\n", done.letter.id())));
    }
    let retried = done.iter().filter(|done| done.refused.is_none()).count();
    text.push_str(&match (options.dry_run, retried) {
        (_, 0) => "no dead letter to retry".to_owned(),
        (true, _) => {
            let accepted = done.iter().filter(|done| done.refused.is_none() && done.reason.is_none()).count();
            format!("{accepted} of {retried} would be accepted with this pipeline file; nothing was published")
        }
        (false, _) => format!("{retried} published again, for the validator to judge"),
    });
    if before > 0 {
        text.push_str(&format!("; {before} were retried before"));
    }
    text
}

fn value(done: &[Done], before: usize, options: &Retry) -> Value {
    let one = |done: &Done| {
        let reason = done.reason.as_ref().map(|(code, detail)| json!({"code": code, "detail": detail}));
        json!({"id": done.letter.id(), "attempt": done.letter.attempt + 1, "code": done.code,
            "refused": done.refused, "would_be_rejected": reason})
    };
    json!({
        "published": if options.dry_run { 0 } else { done.iter().filter(|done| done.refused.is_none()).count() },
        "dry_run": options.dry_run, "retried_before": before, "letters": done.iter().map(one).collect::<Vec<_>>(),
    })
}

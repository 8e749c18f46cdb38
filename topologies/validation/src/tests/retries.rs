//! Retried dead letters: judged by the rules of now, once per attempt, whoever repeats what.

use flow::ledger::{Counts, OriginHash, Side};
use flow::processor::{Headers, InRecord, OutRecord, Task};
use serde_json::json;

use super::fixture::*;
use crate::retry::letter::{Letter, Refused, again, original};

const TOPIC: &str = "t.pay.events.v1";
const FIRST: &str = "t.customer.log.f1.g1";
const JOURNAL: &str = "t.journal.log.g1";

/// Records whose amounts no rule of the first pipeline accepts, as dead letters.
fn dead(world: &World, partition: u16, offsets: &[i64]) -> Vec<OutRecord> {
    let bad = |offset: &i64| {
        let event =
            json!({"id": format!("e{offset}"), "at": TEN_MS, "customer": "7", "terminal": 3, "amount": 5_000.0});
        let mut record = event_record(*offset, &event);
        record.key = Some(format!("k{offset}").into());
        record.headers = vec![("own".into(), Some("x".into()))];
        record
    };
    let records: Vec<InRecord> = offsets.iter().map(bad).collect();
    let mut out = Vec::new();
    world.events(partition).handle(&records, false, &mut out).unwrap();
    let dead: Vec<OutRecord> = out.into_iter().filter(|record| record.topic.ends_with(".dlq")).collect();
    assert_eq!(dead.len(), offsets.len());
    dead
}

/// A letter as it lies in the topic of retries. It is appended much later.
fn retry(offset: i64, dead: &OutRecord) -> InRecord {
    let (key, value) = (dead.key.clone(), dead.value.clone());
    InRecord { offset, append_time_ms: 2 * TEN_MS, key, value, headers: again(&dead.headers).unwrap() }
}

/// Numbers, triggers and origins of the items in one partition of a log.
fn items(written: &Written, log: &str) -> Vec<(i64, i64, i64, String)> {
    let of_log = written.items.iter().filter(|((topic, _), _)| topic == log);
    let item = |item: &Item| (item.number, item.trigger.0, item.origin.2, item.id.clone());
    of_log.flat_map(|(_, items)| items).map(item).collect()
}

fn whys(written: &Written) -> Vec<String> {
    let why = |record: &OutRecord| {
        let of = |name: &str| header(record, &format!("tidemill.dlq.{name}")).unwrap();
        format!("{} {} {}", of("identity"), of("attempt"), of("reason"))
    };
    written.others.iter().map(why).collect()
}

#[test]
fn a_letter_is_published_again_as_its_producer_wrote_it() {
    let world = World::new();
    let dead = &dead(&world, 1, &[42])[0];
    let record = retry(0, dead);
    assert_eq!((&record.key, &record.value), (&dead.key, &dead.value));
    let expected: Headers = vec![("own".into(), Some("x".into()))];
    assert_eq!(original(&record.headers), expected);
    let letter = Letter::read(&record.headers).unwrap();
    assert_eq!((letter.id().as_str(), letter.attempt), ("t.pay.events.v1/1/42", 1));
    assert_eq!(letter.append_time_ms, Some(TEN_MS + 60_000));
    let refused = |mut headers: Headers, name: &'static str| {
        headers.push((name.into(), Some("1/2".into())));
        again(&headers)
    };
    assert_eq!(refused(dead.headers.clone(), "tidemill.dlq.part"), Err(Refused::TooLarge));
    assert_eq!(again(&expected), Err(Refused::Unnamed));
}

#[test]
fn what_is_accepted_has_the_origin_of_its_source_record() {
    let world = World::new();
    let letters = dead(&world, 1, &[42, 70_000]);
    let mended = pipeline_with("amount < 1000", "amount < 10000");
    let records = [retry(5, &letters[1]), retry(6, &letters[0])];
    let whole = {
        let mut task = world.retries_of(&mended, 1);
        let written = run(&world, &mut task, &records, 2);
        assert_eq!(items(&written, FIRST), [(1, 5, 70_000, "e70000".to_owned()), (2, 6, 42, "e42".to_owned())]);
        assert!(written.marks.is_empty() && written.others.is_empty());
        let item = &written.items.values().next().unwrap()[0];
        assert_eq!(item.parent, world.place("t.pay.events.v1.validator.retry", 1));
        assert_eq!(item.time_us, TEN_MS * 1_000);
        (written.items, task.metadata())
    };
    // One at a time gives the same, with a restart in between.
    let mut first = world.retries_of(&mended, 1);
    let one = run(&world, &mut first, &records[..1], 1);
    let mut second = world.retries_of(&mended, 1);
    second.restore(&first.metadata()).unwrap();
    let two = run(&world, &mut second, &records[1..], 1);
    let mut joined = one.items;
    two.items.into_iter().for_each(|(log, items)| joined.entry(log).or_default().extend(items));
    assert_eq!((joined, second.metadata()), whole);
}

#[test]
fn an_attempt_counts_once_whoever_repeats_it() {
    let world = World::new();
    let letters = dead(&world, 0, &[1, 2]);
    let mended = pipeline_with("amount < 1000", "amount < 10000");
    let records = [retry(0, &letters[0]), retry(1, &letters[0]), retry(2, &letters[1]), retry(3, &letters[0])];
    let mut task = world.retries_of(&mended, 0);
    let written = run(&world, &mut task, &records, 4);
    assert_eq!(items(&written, FIRST).len(), 2);
    // A zombie with other rules does what was decided, and so does a replay.
    for pipeline in [&world.pipeline, &mended] {
        for rules in [pipeline, &mended].map(crate::RuleSet::of_events) {
            world.decisions.sets.lock().unwrap().insert(rules.version(), rules.text());
        }
        let mut again = world.retries_of(pipeline, 0);
        assert_eq!(run(&world, &mut again, &records, 1).items, written.items);
        assert_eq!(again.metadata(), task.metadata());
    }
    let rows = task.ledger();
    let read = rows.iter().find(|row| row.side == Side::Read).unwrap();
    let hash = OriginHash::new(TOPIC, 0);
    let digest = [1, 1, 2, 1].iter().fold(0_u128, |sum, offset| sum.wrapping_add(hash.of(*offset)));
    assert_eq!(read.counts, Counts { emitted: 2, duplicate: 2, digest, ..Counts::default() });
    assert_eq!((&*read.from, &*read.to), ("t.pay.events.v1.validator.dlq", "t.pay.events.v1.validator.retry"));
    let written: Vec<_> =
        rows.iter().filter(|row| row.side == Side::Written).map(|row| (&*row.to, row.counts.emitted)).collect();
    assert_eq!(written, [(FIRST, 2), (JOURNAL, 2)]);
    assert_eq!(task.ledger(), []);
}

#[test]
fn what_is_rejected_again_is_a_letter_of_the_next_attempt() {
    let world = World::new();
    let letters = dead(&world, 0, &[8]);
    let mut strict = world.retries_of(&world.pipeline, 0);
    let mut out = Vec::new();
    strict.handle(&[retry(0, &letters[0]), retry(1, &letters[0])], false, &mut out).unwrap();
    assert_eq!(whys(&world.read(&out)), ["t.pay.events.v1/0/8/validator 1 RULE_FAILED"]);
    let letter = &out[0];
    assert_eq!((&letter.key, &letter.value, letter.partition), (&letters[0].key, &letters[0].value, Some(0)));
    assert_eq!(header(letter, "tidemill.dlq.append_time_ms"), Some((TEN_MS + 60_000).to_string()));
    let rows = strict.ledger();
    let to_dead = rows.iter().find(|row| row.side == Side::Written).unwrap();
    assert_eq!((&*to_dead.from, &*to_dead.to), ("t.pay.events.v1.validator.retry", "t.pay.events.v1.validator.dlq"));
    // It may be retried in its turn, and the letter before it may not any more.
    let mended = pipeline_with("amount < 1000", "amount < 10000");
    let mut task = world.retries_of(&mended, 0);
    task.restore(&strict.metadata()).unwrap();
    let written = run(&world, &mut task, &[retry(2, letter), retry(3, &letters[0]), retry(4, letter)], 3);
    assert_eq!(items(&written, FIRST), [(1, 2, 8, "e8".to_owned())]);
    assert_eq!(whys(&written), Vec::<String>::new());
}

#[test]
fn a_schema_that_was_unknown_is_looked_up_again() {
    let world = World::new();
    let record = record(3, framed(EVENT, 50, &event("a", Some("7"), 0)));
    let mut out = Vec::new();
    world.events(0).handle(&[record], false, &mut out).unwrap();
    assert_eq!(whys(&world.read(&out)), ["t.pay.events.v1/0/3/validator 0 SCHEMA_UNKNOWN"]);
    world.schemas.add(50, EVENT);
    let written = run(&world, &mut world.retries_of(&world.pipeline, 0), &[retry(0, &out[0])], 1);
    assert_eq!(items(&written, JOURNAL), [(1, 0, 3, "a".to_owned())]);
}

#[test]
fn a_stray_record_is_a_dead_letter_in_its_place() {
    let world = World::new();
    let letters = dead(&world, 1, &[8]);
    let elsewhere = retry(0, &letters[0]);
    let never_dead = InRecord { headers: letters[0].headers.clone(), ..retry(1, &letters[0]) };
    let plain = event_record(2, &event("a", None, 0));
    let mut task = world.retries_of(&world.pipeline, 0);
    let written = run(&world, &mut task, &[elsewhere, never_dead, plain], 3);
    let expected =
        [0, 1, 2].map(|offset| format!("t.pay.events.v1.validator.retry/0/{offset}/validator 0 RETRY_INVALID"));
    assert_eq!(whys(&written), expected);
    assert_eq!((task.ledger(), written.items.len()), (vec![], 0));
}

#[test]
fn labels_are_retried_into_the_journal_alone() {
    let world = World::new();
    let mut out = Vec::new();
    // Known a year ahead, which no record of its time could be.
    let mut label = label_record(4, "a", Some(true), Some(86_400 * 365));
    world.labels(0).handle(std::slice::from_ref(&label), false, &mut out).unwrap();
    assert_eq!(whys(&world.read(&out)), ["t.marks.events.v1/0/4/validator 0 TIME_FUTURE"]);
    let mut again = retry(0, &out[0]);
    let rejected = run(&world, &mut world.label_retries(0), std::slice::from_ref(&again), 1);
    assert_eq!(whys(&rejected), ["t.marks.events.v1/0/4/validator 1 TIME_FUTURE"], "judged by the time it came first");
    label.value = label_record(4, "a", Some(true), None).value;
    again.value = label.value;
    again.offset = 1;
    again
        .headers
        .iter_mut()
        .filter(|(name, _)| name == "tidemill.dlq.attempt")
        .for_each(|(_, value)| *value = Some("2".into()));
    let written = run(&world, &mut world.label_retries(0), &[again], 1);
    assert_eq!((items(&written, JOURNAL), written.items.len()), (vec![(1, 1, 4, "a".to_owned())], 1));
}

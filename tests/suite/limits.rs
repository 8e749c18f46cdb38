//! What limits of an entity push out, as subscribers are told of it on the alerts topic.

use crate::snapshots::{Logs, handle, read};
use featurizer::{Featurizer, Role};
use flow::processor::InRecord;
use runtime::log::TopicPartition;
use runtime::shell::Service;
use serde_json::Value;

/// What is told of a partition agrees with what its task counts, and a replay tells the same to the byte, however
/// batched. The limits push out many keys there.
pub(crate) fn verify(logs: &Logs, role: Role, tp: &TopicPartition) {
    let context = &logs.deployment.context;
    let alerts = &context.plan.names.alerts;
    let incident = format!("fraud/limits/{tp}");
    let mut rows = logs.deployment.rows(alerts);
    rows.retain(|row| row["incident"] == *incident);
    let all = read(&*context.log, &TopicPartition::new(alerts.as_str(), 0));
    let of_incident = all.iter().filter(|record| record.key.as_deref() == Some(incident.as_bytes()));
    let told: Vec<Vec<u8>> = of_incident.filter_map(|record| record.value.as_deref().map(<[u8]>::to_vec)).collect();
    assert_eq!(told.len(), rows.len(), "none is told twice");

    let records = read(&*context.log, tp);
    for size in [1, 7, 4096] {
        let mut task = Featurizer::new(context.clone(), role).open(tp, None).unwrap().task;
        let mut again = Vec::new();
        for batch in records.chunks(size) {
            let before = task.asides().evicted_keys;
            let given = handle(&mut *task, batch, false).into_iter().filter(|(topic, ..)| topic == alerts);
            let given: Vec<Vec<u8>> = given.map(|(.., value)| value).collect();
            let states = &rows[again.len()..again.len() + given.len()];
            let counted = before..=task.asides().evicted_keys;
            states.iter().for_each(|state| assert!(counted.contains(&keys(state)), "{counted:?}: {state}"));
            again.extend(given);
        }
        assert_eq!(again, told, "in batches of {size}");
    }
    follow(&rows, evicted(logs, role, tp, &records));
}

/// Each state follows from the one before it, and the last one says how many keys went.
fn follow(rows: &[Value], evicted: u64) {
    let (mut is_open, mut so_far, mut time) = (false, 0, String::new());
    for (at, row) in rows.iter().enumerate() {
        let shown = |what: &str| row[what].as_str().unwrap().to_owned();
        assert_eq!(row["revision"], at + 1);
        assert_eq!(shown("monitor"), "limits");
        match (is_open, &*shown("state")) {
            (false, "OPEN") => {
                assert_eq!((shown("severity"), shown("opened_time")), ("WARNING".to_owned(), shown("updated_time")))
            }
            (true, "UPDATED") => assert_eq!(shown("severity"), "WARNING"),
            (true, "RESOLVED") => assert_eq!(shown("severity"), "INFO"),
            _ => panic!("{row} after {at} states"),
        }
        is_open = shown("state") != "RESOLVED";
        // A row that is behind may open it again at once.
        assert!(shown("updated_time") >= time && (!is_open || keys(row) > so_far), "{row}");
        (so_far, time) = (keys(row), shown("updated_time"));
    }
    let resolved = rows.iter().filter(|row| row["state"] == "RESOLVED").count();
    assert!(resolved > 2, "an incident comes again: {rows:?}");
    assert!(if is_open { so_far <= evicted } else { so_far == evicted }, "{so_far} of {evicted} keys were told");
}

/// How many keys the alert says went so far.
fn keys(alert: &Value) -> u64 {
    let evidence = alert["evidence"].as_array().unwrap().iter().find(|one| one["subject"] == "customer.keys");
    evidence.and_then(|one| one["value"].as_f64()).unwrap() as u64
}

fn evicted(logs: &Logs, role: Role, tp: &TopicPartition, records: &[InRecord]) -> u64 {
    let mut task = Featurizer::new(logs.deployment.context.clone(), role).open(tp, None).unwrap().task;
    handle(&mut *task, records, true);
    task.asides().evicted_keys
}

//! Marks: on every record, to every target once, raised only as far as a commit holds.

use flow::outputs::Outputs;
use flow::processor::Task;

use super::fixture::*;
use crate::Validator;

fn at(seconds: i64) -> i64 {
    (TEN_MS + seconds * 1_000) * 1_000
}

fn resumed(world: &World, task: &mut Validator) -> Vec<(String, u16, i64)> {
    let mut out = Outputs::default();
    task.resume(&mut out).unwrap();
    task.seal(&mut out).unwrap();
    let marks = world.read(&out.records).marks;
    marks
        .into_iter()
        .flat_map(|((log, partition), marks)| marks.into_iter().map(move |(_, mark)| (log.clone(), partition, mark)))
        .collect()
}

#[test]
fn every_target_gets_the_mark_once() {
    let world = World::new();
    let mut task = world.events(0);
    assert_eq!(resumed(&world, &mut task), []);
    let written = run(&world, &mut task, &[event_record(0, &event("a", Some("7"), 90))], 1);
    assert_eq!(written.marks.len(), 2);
    assert!(written.marks.values().all(|marks| *marks == [(world.place("t.pay.events.v1", 0), at(30))]));
    let rest = resumed(&world, &mut task);
    assert_eq!(rest.len(), 2);
    assert!(rest.iter().all(|(.., mark)| *mark == at(30)));
    assert_eq!(resumed(&world, &mut task), []);
    let mut again = world.events(0);
    again.restore(&task.metadata()).unwrap();
    assert_eq!(resumed(&world, &mut again).len(), 4, "after an assignment all targets have it again");
}

#[test]
fn a_raised_mark_is_written_only_after_its_commit() {
    let world = World::new();
    let mut task = world.events(0);
    run(&world, &mut task, &[event_record(0, &event("a", Some("7"), 90))], 1);
    resumed(&world, &mut task);
    assert!(task.raise_mark(at(500)));
    assert!(!task.raise_mark(at(400)));
    assert_eq!(resumed(&world, &mut task), []);
    let written = run(&world, &mut task, &[event_record(1, &event("b", Some("7"), 95))], 1);
    assert!(written.marks.values().flatten().all(|(_, mark)| *mark == at(35)));
    let mut successor = world.events(0);
    successor.restore(&task.metadata()).unwrap();
    task.release_mark();
    for task in [&mut task, &mut successor] {
        let marks = resumed(&world, task);
        assert_eq!(marks.len(), 4);
        assert!(marks.iter().all(|(.., mark)| *mark == at(500)));
        assert_eq!(task.progress(), crate::Progress { max_us: Some(at(95)), mark_us: Some(at(500)) });
    }
    // Lateness still goes by the partition's own events.
    let written = run(&world, &mut task, &[event_record(2, &event("c", Some("7"), 40))], 1);
    assert_eq!(written.others.len(), 0);
    assert!(written.marks.values().flatten().all(|(_, mark)| *mark == at(500)), "marks never fall");
}

#[test]
fn no_mark_runs_ahead_of_the_items_behind_it() {
    let world = World::new();
    let mut task = world.events(0);
    let records: Vec<_> = (0..5_000).map(|n| event_record(n, &event(&format!("e{n}"), Some("7"), n / 2))).collect();
    let mut out = Vec::new();
    task.handle(&records, false, &mut out).unwrap();
    let mut promised = std::collections::BTreeMap::new();
    for record in &out {
        let written = world.read(std::slice::from_ref(record));
        for (log, items) in &written.items {
            let least = items.iter().map(|item| item.time_us).min().unwrap();
            assert!(promised.get(log).is_none_or(|mark| *mark <= least));
            promised.insert(log.clone(), written.marks[log][0].1);
        }
    }
    assert!(promised.values().all(|mark| *mark == at(2_499 - 60)));
}

#[test]
fn late_events_go_beside_unchanged_and_the_edge_is_not_late() {
    let world = World::new();
    let mut task = world.events(1);
    let seconds = [100, 40, 39, 101, 40];
    let records: Vec<_> =
        (0..5).map(|n| event_record(n, &event(&format!("e{n}"), None, seconds[n as usize]))).collect();
    let written = run(&world, &mut task, &records, 5);
    let late: Vec<_> = written
        .others
        .iter()
        .map(|record| (header(record, "tidemill.origin").unwrap(), record.value.clone()))
        .collect();
    let expected = [2, 4].map(|n: usize| (format!("t.pay.events.v1/1@{n}"), records[n].value.clone()));
    assert_eq!(late, expected);
    assert!(
        written.others.iter().all(|record| &*record.topic == "t.pay.events.v1.late" && record.partition == Some(1))
    );
    assert_eq!(fates(&mut task), [3, 2, 0]);
}

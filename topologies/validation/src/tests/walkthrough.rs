//! The worked example of the design, sections 1 and 2: three events, one dead letter, their items, marks and metadata.

use expect_test::expect;
use flow::processor::Task;
use schemas::key::log_partition;

use super::fixture::*;

/// A key that lies in the wanted partition of a log with two.
fn key_in(partition: u32, number: usize) -> String {
    (0..).map(|n| format!("{n}")).filter(|key| log_partition(key, 2) == partition).nth(number).unwrap()
}

#[test]
fn four_records_in_four_out() {
    let world = World::new();
    let (first, second, third) = (key_in(0, 0), key_in(1, 0), key_in(0, 1));
    let [mut t0, mut t1] = [world.events(0), world.events(1)];
    let mut out = Vec::new();
    let records = [event_record(0, &event("A", Some(&first), 0)), event_record(1, &event("B", Some(&second), 5))];
    t0.handle(&records, false, &mut out).unwrap();
    t1.handle(&[event_record(0, &event("D", Some(&third), 3)), record(1, vec![0, 0, 0, 0, 7, 99])], false, &mut out)
        .unwrap();
    let written = world.read(&out);
    let mut lines = Vec::new();
    for ((log, partition), items) in &written.items {
        for item in items {
            let parent = world.names.show(item.parent);
            let seconds = (item.time_us / 1_000 - TEN_MS) / 1_000;
            lines.push(format!(
                "{log}/{partition}: {} {parent} ({}) {:?} origin {:?} +{seconds}s",
                item.id, item.number, item.trigger, &item.origin
            ));
        }
        for (place, mark_us) in &written.marks[&(log.clone(), *partition)] {
            let seconds = (mark_us / 1_000 - TEN_MS) / 1_000;
            lines.push(format!("{log}/{partition}: mark of {} at {seconds}s", world.names.show(*place)));
        }
    }
    lines.extend(written.beside().iter().map(|(topic, offset, reason)| format!("{topic}: {offset} {reason}")));
    lines.push(t0.metadata());
    lines.push(t1.metadata());
    expect![[r#"
        t.customer.log.f1.g1/0: A t.pay.events.v1/0 (1) (0, 0, 0) origin (0, 0, 0) +0s
        t.customer.log.f1.g1/0: D t.pay.events.v1/1 (1) (0, 0, 0) origin (0, 1, 0) +3s
        t.customer.log.f1.g1/0: mark of t.pay.events.v1/0 at -55s
        t.customer.log.f1.g1/0: mark of t.pay.events.v1/1 at -57s
        t.customer.log.f1.g1/1: B t.pay.events.v1/0 (1) (1, 0, 0) origin (0, 0, 1) +5s
        t.customer.log.f1.g1/1: mark of t.pay.events.v1/0 at -55s
        t.journal.log.g1/0: B t.pay.events.v1/0 (1) (1, 0, 0) origin (0, 0, 1) +5s
        t.journal.log.g1/0: mark of t.pay.events.v1/0 at -55s
        t.journal.log.g1/1: A t.pay.events.v1/0 (1) (0, 0, 0) origin (0, 0, 0) +0s
        t.journal.log.g1/1: D t.pay.events.v1/1 (1) (0, 0, 0) origin (0, 1, 0) +3s
        t.journal.log.g1/1: mark of t.pay.events.v1/0 at -55s
        t.journal.log.g1/1: mark of t.pay.events.v1/1 at -57s
        t.pay.events.v1.validator.dlq: 1 AVRO_DECODE
        {"v":1,"digest":"52374bd84441fade02e552ae0e485d18","out":{"t.customer.log.f1.g1":[1,1],"t.journal.log.g1":[1,1]},"in":[],"fence":-1,"max":1767261605000000,"mark":1767261545000000,"sums":[[0,[2,0,0],["3b7da3860531267b5804d8bcaed3b88c","0","0"]]],"schemas":[7]}
        {"v":1,"digest":"52374bd84441fade02e552ae0e485d18","out":{"t.customer.log.f1.g1":[1,0],"t.journal.log.g1":[0,1]},"in":[],"fence":-1,"max":1767261603000000,"mark":1767261543000000,"sums":[[0,[1,0,1],["f95bf032b2a2b3b3adc3b43feddefc68","0","43c28ebc5065df832971c9e7484ecac3"]]],"schemas":[7]}"#]].assert_eq(&lines.join("\n"));
}

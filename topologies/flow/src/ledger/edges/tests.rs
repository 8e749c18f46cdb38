use super::saved::VALUE_BYTES;
use super::*;
use crate::snapshot::{Entry, Merged, entries};
use std::iter::once;

const OWN: u16 = 1;
const NEXT: u16 = 2;

fn edges() -> Edges {
    Edges::new(Arc::new(Names::new([("source", 0), ("own", 1), ("next", 1)])))
}

fn origin(partition: u16, offset: i64) -> Origin {
    Origin { place: Place { topic: 0, partition }, offset }
}

fn run(edges: &mut Edges, offsets: impl Iterator<Item = i64>) {
    for offset in offsets {
        let origin = origin((offset % 3) as u16, offset * 1_000);
        edges.took(once((0, origin)));
        if offset % 5 == 0 {
            edges.ended(once((Spot::of(0, origin), End::Duplicate)));
        } else if offset % 7 != 0 {
            edges.ended(once((Spot::of(0, origin), End::Emitted)));
            edges.wrote(&[NEXT], once(origin));
        }
    }
}

#[test]
fn every_item_is_counted_once_and_order_changes_nothing() {
    let (mut forward, mut backward) = (edges(), edges());
    run(&mut forward, 0..500);
    run(&mut backward, (0..500).rev());
    assert_eq!(forward.all(OWN), backward.all(OWN));
    let side = |side| forward.all(OWN).into_iter().filter(move |row| row.side == side);
    assert_eq!(side(Side::Read).map(|row| row.counts.total()).sum::<u64>(), 500);
    let emitted = |side_: Side| side(side_).map(|row| row.counts.emitted).sum::<u64>();
    assert_eq!(emitted(Side::Read), emitted(Side::Written));
    assert!(side(Side::Read).count() > 20, "there are many buckets");
}

#[test]
fn items_that_come_at_once_count_as_one_by_one_whichever_end_is_said_first() {
    const PUBLIC: u16 = 3;
    let names = || Arc::new(Names::new([("source", 0), ("own", 1), ("next", 1), ("public", 1)]));
    let (mut single, mut whole) = (Edges::new(names()), Edges::new(names()));
    // Runs of several lengths over partitions and buckets, and some of a single item.
    let at = |number: i64| origin((number / 7 % 3) as u16, number / 40 * 30_000 + number);
    let end = |number: i64| if number % 11 < 9 { End::Emitted } else { End::Filtered };
    for number in 0..900 {
        let origin = at(number);
        single.took(once((0, origin)));
        single.ended(once((Spot::of(0, origin), end(number))));
        [NEXT, PUBLIC].iter().for_each(|topic| single.wrote(&[*topic], once(origin)));
    }
    for first in (0..900).step_by(90) {
        let numbers = first..first + 90;
        whole.ended(numbers.clone().map(|number| (Spot::of(0, at(number)), end(number))));
        whole.wrote(&[NEXT, PUBLIC], numbers.clone().map(at));
        whole.took(numbers.map(|number| (0, at(number))));
    }
    assert_eq!(whole.all(OWN), single.all(OWN));
    assert_eq!(whole.all(OWN).iter().map(|row| row.counts.waiting).sum::<u64>(), 0);
    assert_eq!(whole.rows(OWN).len(), whole.all(OWN).len(), "all of them changed");
    whole.wrote(&[], once(at(0)));
    assert_eq!(whole.rows(OWN), []);
}

#[test]
fn rows_are_given_when_they_changed_and_again_after_a_restore_that_may_have_lost_them() {
    let mut edges = edges();
    run(&mut edges, 0..100);
    let all = edges.all(OWN);
    assert_eq!(edges.rows(OWN).len(), all.len());
    let again = restored(&mut edges);
    assert_eq!(again.all(OWN), all);
    assert_eq!(again.hash(), edges.hash());
    let rows = |mut edges: Edges| edges.rows(OWN).len();
    assert_eq!(rows(again), all.len(), "nobody knows yet whether they arrived");
    assert_eq!(edges.rows(OWN), []);
    assert_eq!(rows(restored(&mut edges)), 0, "they arrived");
    edges.wrote(&[NEXT], once(origin(0, 3)));
    let rows = edges.rows(OWN);
    assert_eq!(rows.len(), 1);
    assert_eq!((&*rows[0].from, &*rows[0].to, rows[0].side), ("own", "next", Side::Written));
}

/// What a first snapshot of these counts gives.
fn restored(edges: &mut Edges) -> Edges {
    edges.unsaved = (0..edges.cells.len() as u32).collect();
    let (saved, changes) = (edges.cut(), edges.collect());
    let mut again = self::edges();
    entries(&changes.bytes).for_each(|entry| again.load(&entry.unwrap()).unwrap());
    again.restore(&saved).unwrap();
    again
}

#[test]
fn a_cut_has_what_changed_since_the_one_before_and_the_sum_of_all() {
    let mut edges = edges();
    run(&mut edges, 0..300);
    edges.cut();
    let first = edges.collect();
    assert_eq!((first.count as usize, first.sum), (edges.cells.len(), edges.hash()));
    edges.rows(OWN);
    run(&mut edges, 302..303);
    assert!(edges.noted_bytes() > 0);
    assert!(edges.cut().len() > 3, "rows that were asked for may be lost");
    let second = edges.collect();
    assert_eq!((second.count, second.sum), (2, edges.hash()), "one that was taken, and one that was written");
    let mut merged = Merged::default();
    [&first, &second].into_iter().for_each(|changes| merged.add(&changes.bytes).unwrap());
    merged.verify(second.sum).unwrap();
    edges.rows(OWN);
    assert_eq!(edges.cut().len(), 2, "those that nobody has acknowledged");
    assert_eq!(edges.collect().count, 0);
}

#[test]
fn damaged_counts_are_refused() {
    let mut edges = edges();
    let key = |topic: u16| Key { side: Side::Read, topic, source: Place { topic: 0, partition: 0 }, bucket: 7 };
    let mut load = |key: &[u8], value: &[u8]| edges.load(&Entry { part: PART, key, value: Some(value) }).is_ok();
    assert!(load(&key(0).bytes(), &[1; VALUE_BYTES]));
    assert!(!load(&key(9).bytes(), &[1; VALUE_BYTES]), "a topic that there is not");
    assert!(!load(&key(0).bytes()[1..], &[1; VALUE_BYTES]) && !load(&key(0).bytes(), &[1; 9]));
    let saved = |bucket| Saved(Side::Read, 0, (0, 0), bucket);
    assert_eq!((edges.restore(&[saved(7)]), edges.restore(&[saved(8)])), (Some(()), None));
}

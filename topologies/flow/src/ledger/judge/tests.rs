use super::super::{Entry, OriginHash, Row};
use super::*;
use std::collections::BTreeSet;

const SOURCE: &str = "p.events.v1";
const FIRST: &str = "p.first.log";
const LAST: &str = "p.last.log";

/// Source, validator, a stage that hands everything on, and a reader at the end.
fn edges() -> Vec<Edge> {
    let edge = |from: &str, to: &str, writer: &str, reader: &str| Edge {
        from: from.to_owned(),
        to: to.to_owned(),
        writer: writer.to_owned(),
        readers: vec![reader.to_owned()],
        source: SOURCE.to_owned(),
        whole: Whole::Emitted,
    };
    vec![edge(SOURCE, FIRST, "validator", "stage"), edge(FIRST, LAST, "stage", "end")]
}

/// A pipeline of one partition each, whose tasks are as far as a test says.
#[derive(Default)]
struct World {
    sample: Sample,
}

fn counts(offsets: impl Iterator<Item = i64>, waiting: bool) -> Counts {
    let hash = OriginHash::new(SOURCE, 0);
    let mut counts = Counts::default();
    for offset in offsets {
        *(if waiting { &mut counts.waiting } else { &mut counts.emitted }) += 1;
        counts.digest = counts.digest.wrapping_add(hash.of(offset));
    }
    counts
}

impl World {
    fn row(&mut self, task: &str, side: Side, (from, to): (&str, &str), position: i64, counts: Counts) {
        let row = Row {
            side,
            from: from.into(),
            to: to.into(),
            source: SOURCE.into(),
            source_partition: 0,
            bucket: 0,
            counts,
            closed: false,
        };
        let log = if side == Side::Read { to } else { from };
        self.sample.take(Entry { task: task.into(), log: log.into(), partition: 0, position, row: Some(row) });
    }

    fn through(&mut self, task: &str, log: &str, position: i64) {
        self.sample.take(Entry { task: task.into(), log: log.into(), partition: 0, position, row: None });
    }

    fn validator(&mut self, records: i64) {
        let all = counts(0..records, false);
        self.row("validator", Side::Read, (super::super::OUTSIDE, SOURCE), records, all);
        self.row("validator", Side::Written, (SOURCE, FIRST), records, all);
        self.through("validator", SOURCE, records);
    }

    fn stage(&mut self, position: i64, read: Counts, written: Counts) {
        self.row("stage", Side::Read, (SOURCE, FIRST), position, read);
        self.row("stage", Side::Written, (FIRST, LAST), position, written);
        self.through("stage", FIRST, position);
    }

    fn end(&mut self, position: i64, read: Counts) {
        self.row("end", Side::Read, (FIRST, LAST), position, read);
        self.through("end", LAST, position);
    }

    /// Ends of the source and of both logs; records of logs have one item here.
    fn ends(&mut self, ends: [i64; 3]) -> Sample {
        let named = [SOURCE, FIRST, LAST].map(|topic| (topic.to_owned(), 0)).into_iter().zip(ends);
        self.sample.ends = named.collect();
        self.sample.clone()
    }
}

/// States after these samples, each reader's and each writer's own.
fn states(samples: Vec<Sample>) -> Vec<(Option<String>, State)> {
    let mut judge = Judge::new(edges());
    let mut last = Vec::new();
    for sample in samples {
        last = judge.judge(sample);
    }
    last.into_iter().map(|standing| (standing.reader, standing.state)).collect()
}

fn of(reader: &str, states: &[(Option<String>, State)]) -> Vec<State> {
    states.iter().filter(|(who, _)| who.as_deref() == Some(reader)).map(|(_, state)| *state).collect()
}

#[test]
fn when_nothing_comes_any_more_everything_agrees_for_good() {
    let mut world = World::default();
    world.validator(5);
    world.stage(5, counts(0..5, false), counts(0..5, false));
    world.end(5, counts(0..5, false));
    let sample = world.ends([5, 5, 5]);
    let found = states(vec![sample; 5]);
    let all: BTreeSet<State> = found.iter().map(|(_, state)| *state).collect();
    assert_eq!(all, BTreeSet::from([State::Agrees]));
    assert_eq!(found.len(), 4, "two readers, and two writers with what they emitted");
}

#[test]
fn a_reader_that_passed_the_end_without_an_item_differs() {
    let mut world = World::default();
    world.validator(5);
    let read = counts([0, 1, 3, 4].into_iter(), false);
    world.stage(5, read, read);
    world.end(5, read);
    let sample = world.ends([5, 5, 5]);
    let found = states(vec![sample; 5]);
    assert_eq!(of("stage", &found), [State::Differs]);
}

#[test]
fn an_item_read_twice_and_one_read_for_another_differ() {
    for read in [[0, 1, 2, 3, 4, 4].as_slice(), &[0, 1, 2, 3, 9]] {
        let mut world = World::default();
        world.validator(5);
        world.stage(5, counts(0..5, false), counts(0..5, false));
        world.end(5, counts(read.iter().copied(), false));
        let sample = world.ends([5, 5, 5]);
        let found = states(vec![sample; 5]);
        assert_eq!((of("stage", &found), of("end", &found)), (vec![State::Agrees], vec![State::Differs]));
    }
}

#[test]
fn who_is_still_on_the_way_is_pending() {
    let mut world = World::default();
    world.validator(5);
    world.stage(3, counts(0..3, false), counts(0..3, false));
    let sample = world.ends([5, 5, 3]);
    let found = states(vec![sample; 5]);
    assert_eq!((of("stage", &found), of("end", &found)), (vec![State::Pending], vec![State::Pending]));
}

#[test]
fn under_load_nothing_differs_and_nothing_is_final_before_its_bucket_closes() {
    let mut judge = Judge::new(edges());
    let mut world = World::default();
    for far in (10..500).step_by(7) {
        world.validator(far);
        // Each is some way behind the one before it.
        world.stage(far - 3, counts(0..far - 3, false), counts(0..far - 3, false));
        world.end(far - 6, counts(0..far - 6, false));
        let standings = judge.judge(world.ends([far + 2, far, far - 2]));
        let bad = |standing: &&Standing| standing.reader.is_some() && standing.state == State::Agrees;
        assert_eq!(standings.iter().find(bad), None);
        assert!(standings.iter().all(|standing| standing.state != State::Differs), "{standings:?}");
    }
}

#[test]
fn a_closed_bucket_is_final_while_the_source_goes_on() {
    let mut judge = Judge::new(edges());
    let mut world = World::default();
    let all = counts(0..BUCKET_OFFSETS, false);
    let mut last = Vec::new();
    for far in (BUCKET_OFFSETS + 10..).step_by(5).take(6) {
        world.row("validator", Side::Written, (SOURCE, FIRST), far, all);
        world.through("validator", SOURCE, far);
        world.stage(far, all, all);
        world.end(far, all);
        last = judge.judge(world.ends([far + 3, far, far]));
    }
    let readers: Vec<State> =
        last.iter().filter(|standing| standing.reader.is_some()).map(|standing| standing.state).collect();
    assert_eq!(readers, [State::Agrees, State::Agrees]);
    assert!(last.iter().all(|standing| standing.closed));
}

#[test]
fn what_waits_may_still_be_written() {
    let mut world = World::default();
    world.validator(5);
    let mut read = counts(0..3, false);
    read.add(&counts(3..5, true));
    world.stage(5, read, counts(0..3, false));
    world.end(3, counts(0..3, false));
    let sample = world.ends([5, 5, 3]);
    let found = states(vec![sample; 5]);
    assert_eq!((of("stage", &found), of("end", &found)), (vec![State::Agrees], vec![State::Open]));
}

#[test]
fn a_task_that_emits_what_it_does_not_write_differs() {
    let mut world = World::default();
    world.validator(5);
    world.stage(5, counts(0..5, false), counts(0..4, false));
    let sample = world.ends([5, 5, 5]);
    let found = states(vec![sample; 3]);
    assert!(found.contains(&(None, State::Differs)), "{found:?}");
}

#[test]
fn rows_count_once_their_task_says_that_they_are_all_there_and_old_ones_never() {
    let mut world = World::default();
    world.validator(5);
    world.row("stage", Side::Read, (SOURCE, FIRST), 5, counts(0..5, false));
    let read = |world: &World| {
        let mut found = world.sample.rows().filter(|(task, _)| &***task == "stage").map(|(_, row)| row.counts.total());
        found.next()
    };
    assert_eq!(read(&world), None);
    world.through("stage", FIRST, 5);
    assert_eq!(read(&world), Some(5));
    // A zombie says what it knew.
    world.row("stage", Side::Read, (SOURCE, FIRST), 3, counts(0..3, false));
    world.through("stage", FIRST, 3);
    assert_eq!(read(&world), Some(5));
    assert_eq!(world.sample.position("stage", FIRST, 0), 5);
}

/// A world whose source has a dead letter in a bucket that closed long ago, and that is retried.
struct Retried {
    world: World,
    judge: Judge,
}

impl Retried {
    fn new() -> Self {
        let retry = Edge { from: Names::retries(SOURCE), whole: Whole::Emitted, ..edges().remove(0) };
        let mut retried = Retried { world: World::default(), judge: Judge::new([edges(), vec![retry]].concat()) };
        let all = counts(1..BUCKET_OFFSETS, false);
        let far = BUCKET_OFFSETS + 10;
        retried.world.row("validator", Side::Read, (super::super::OUTSIDE, SOURCE), far, all);
        retried.world.row("validator", Side::Written, (SOURCE, FIRST), far, all);
        retried.world.through("validator", SOURCE, far);
        retried.taken(far, all);
        retried.passed(far, all);
        retried
    }

    /// The validator has judged what was retried.
    fn judged(&mut self) {
        let (retries, one) = (Names::retries(SOURCE), counts(0..1, false));
        self.world.row("validator", Side::Read, ("p.events.v1.validator.dlq", &retries), 1, one);
        self.world.row("validator", Side::Written, (&retries, FIRST), 1, one);
        self.world.through("validator", &retries, 1);
    }

    /// The stage has taken everything below a position; of what was retried it has taken this.
    fn taken(&mut self, position: i64, all: Counts) {
        self.world.stage(position, counts(1..BUCKET_OFFSETS, false), all);
    }

    fn taken_again(&mut self, position: i64, one: Counts) {
        self.world.row("stage", Side::Read, (&Names::retries(SOURCE), FIRST), position, one);
        self.taken(position, counts(1 - one.total().cast_signed()..BUCKET_OFFSETS, false));
    }

    fn passed(&mut self, position: i64, all: Counts) {
        self.world.end(position, all);
    }

    /// How all stand when so many are in the topic of retries, and so many in each log.
    fn look(&mut self, retries: i64, logs: i64) -> Vec<State> {
        let mut sample = self.world.ends([BUCKET_OFFSETS + 10, BUCKET_OFFSETS + logs, BUCKET_OFFSETS + logs]);
        sample.ends.insert((Names::retries(SOURCE), 0), retries);
        self.judge.judge(sample).into_iter().map(|standing| standing.state).collect()
    }

    fn looks(&mut self, retries: i64, logs: i64) -> BTreeSet<State> {
        (0..6).flat_map(|_| self.look(retries, logs)).collect()
    }
}

#[test]
fn a_retry_into_a_closed_bucket_is_no_difference_on_its_way() {
    let mut retried = Retried::new();
    (0..5).for_each(|_| drop(retried.look(0, 10)));
    assert_eq!(BTreeSet::from_iter(retried.look(0, 10)), BTreeSet::from([State::Agrees]));
    let all = counts(0..BUCKET_OFFSETS, false);
    // Every task, and what it told, may be a look behind the one before it.
    let mut seen = retried.looks(1, 10);
    retried.judged();
    seen.extend(retried.looks(1, 11));
    retried.taken_again(BUCKET_OFFSETS + 11, counts(0..1, false));
    seen.extend(retried.looks(1, 11));
    retried.passed(BUCKET_OFFSETS + 11, all);
    seen.extend(retried.looks(1, 11));
    assert!(!seen.contains(&State::Differs), "{seen:?}");
    assert_eq!(BTreeSet::from_iter(retried.look(1, 11)), BTreeSet::from([State::Agrees]));
}

#[test]
fn a_retry_that_comes_through_between_two_looks_is_no_difference() {
    let mut retried = Retried::new();
    (0..5).for_each(|_| drop(retried.look(0, 10)));
    retried.judged();
    retried.taken_again(BUCKET_OFFSETS + 11, counts(0..1, false));
    retried.passed(BUCKET_OFFSETS + 11, counts(0..BUCKET_OFFSETS, false));
    let seen = retried.looks(1, 11);
    assert!(!seen.contains(&State::Differs), "{seen:?}");
}

#[test]
fn a_retry_that_a_reader_has_passed_without_taking_it_differs() {
    let mut retried = Retried::new();
    retried.judged();
    retried.taken(BUCKET_OFFSETS + 11, counts(1..BUCKET_OFFSETS, false));
    assert!(retried.looks(1, 11).contains(&State::Differs));
}

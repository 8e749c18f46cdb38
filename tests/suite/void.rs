//! A fence that a scorer cannot honour, declared void for its partitions: scorers and monitors go on with the state
//! before it, whatever crashed on the way, and a replay of the log gives what they gave.

use crate::monitor::{IDLE, order, transactions};
use crate::promotion::{PATIENT, World};
use flow::fence::ModelRef;
use flow::names::Place;
use flow::processor::{InRecord, OutRecord};
use registry::decisions::FenceOutcome;
use registry::models::Models;
use runtime::log::{Input, SessionOptions, TopicPartition};
use scorer::{PromoteError, Readiness, RegistryFences, RegistryModels, declare_void};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tests::pipeline::Running;

impl World {
    fn scored(&self) -> usize {
        self.deployment.rows(&self.deployment.context.plan.names.predictions).len()
    }

    /// How many events each model scored.
    fn by_model(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for row in self.deployment.rows(&self.deployment.context.plan.names.predictions) {
            *counts.entry(row["model"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
        counts
    }

    fn publish(&self, days: std::ops::Range<i64>) -> usize {
        let rows = transactions(days);
        self.deployment.publish(rows.events(&self.deployment.context, &order(&rows)));
        rows.len()
    }

    fn void(&self, number: u64, partition: i32) -> Result<(), PromoteError> {
        declare_void(&self.deployment.context, self.deployment.decisions(), number, partition, "the test wants it")
    }

    /// Everything in a partition.
    fn records(&self, topic: &str, partition: i32) -> Vec<runtime::log::Record> {
        let tp = TopicPartition::new(topic, partition);
        let (start, end) = self.deployment.context.log.watermarks(&tp).unwrap();
        let options = SessionOptions::new("test.records", Input::Assigned(vec![(tp, start)]));
        let mut session = self.deployment.context.log.session(options).unwrap();
        let mut found = Vec::new();
        while (found.len() as i64) < end - start {
            let poll = session.poll(Duration::from_millis(200)).unwrap();
            found.extend(poll.records.into_iter().flat_map(|(_, records)| records));
        }
        found
    }

    /// The predictions that live scorers published.
    fn given(&self) -> BTreeSet<(String, Vec<u8>)> {
        let topic = &self.deployment.context.plan.names.predictions;
        let all = self.history().partitions().into_iter().flat_map(|partition| self.records(topic, partition));
        let emission =
            |record: &runtime::log::Record| record.header("tidemill.emission").unwrap().text().unwrap().to_owned();
        all.map(|record| (emission(&record), record.value.unwrap().to_vec())).collect()
    }

    /// The predictions of a replay that reads the features log and what was recorded about its fences.
    fn replayed(&self) -> BTreeSet<(String, Vec<u8>)> {
        let context = &self.deployment.context;
        let names = &context.plan.names;
        let mut given = BTreeSet::new();
        for partition in self.history().partitions() {
            let settings = scoring::Settings::of(
                &context.pipeline,
                &context.plan,
                &context.names,
                context.schema_id(self.log()).unwrap(),
            );
            let own = Place { topic: context.number(self.log()).unwrap(), partition: partition as u16 };
            let models = Arc::new(RegistryModels::new(Models::new(self.store.clone())));
            let fences = RegistryFences::new(self.deployment.decisions().clone(), context.stop.clone()).recorded();
            let task = scoring::Scorer::new(own, context.names.clone(), settings.unwrap(), models, Arc::new(fences));
            let sinks = featurizer::sinks(context, &[&names.journal_log], &[&names.predictions]).unwrap();
            let tp = TopicPartition::new(self.log(), partition);
            let mut task = featurizer::open_task(context, &tp, task, sinks).unwrap().task;
            let mut out: Vec<OutRecord> = Vec::new();
            for record in self.records(self.log(), partition) {
                let runtime::log::Record { offset, append_time_ms, key, value, .. } = record;
                let record = InRecord { offset, append_time_ms, key, value, headers: Vec::new() };
                task.handle(&[record], false, &mut out).unwrap();
            }
            for record in out.into_iter().filter(|record| *record.topic == *names.predictions) {
                let (_, emission) = record.headers.iter().find(|(name, _)| name == "tidemill.emission").unwrap();
                let emission = String::from_utf8(emission.clone().unwrap().to_vec()).unwrap();
                given.insert((emission, record.value.unwrap().to_vec()));
            }
        }
        given
    }
}

#[test]
fn scorers_go_on_with_the_state_before_a_void_fence() {
    let world = World::new();
    let mut running = world.deployment.start(Duration::ZERO, IDLE);
    world.deployment.start_scorer(Duration::ZERO, &mut running);
    let good = world.model(0.0);
    assert_eq!(world.promote(&good, PATIENT).unwrap().number, 1);
    let first = world.publish(0..1);
    world.deployment.wait(&[&running], || world.scored() == first);
    assert_eq!(running.stop(), Vec::<String>::new());

    // Nobody asked the scorers, and all that want the model stop at the fence.
    let gone = ModelRef { version: 9, digest: "0".repeat(64), ..good.clone() };
    assert_eq!(world.promote(&gone, Readiness::Skipped).unwrap().number, 2);
    let mut monitor = Running::default();
    world.deployment.start_monitor(Duration::ZERO, &mut monitor);
    for stopped in [world.scorer(), monitor] {
        world.deployment.wait(&[], || stopped.ended());
        let told = stopped.stop().join("\n");
        assert!(told.contains("fence 2 cannot be honoured: ") && told.contains("model fraud@9"), "{told}");
    }
    let mut running = world.deployment.start(Duration::ZERO, IDLE);
    let second = world.publish(1..2);
    world.deployment.features(first + second, &running);
    assert_eq!(world.scored(), first);

    for partition in world.history().partitions() {
        world.void(2, partition).unwrap();
    }
    assert!(world.complete(2), "there is nothing left to be taken");
    world.deployment.start_scorer(Duration::ZERO, &mut running);
    world.deployment.start_monitor(Duration::ZERO, &mut running);
    world.deployment.wait(&[&running], || world.scored() == first + second);
    assert_eq!(world.fences(), [1; 4]);
    assert_eq!(world.by_model(), BTreeMap::from([("fraud@1".to_owned(), first + second)]));

    // The next one is built on the state before, and is not mistaken for the one that is void.
    assert_eq!(world.history().in_force().unwrap().unwrap().number, 1);
    assert_eq!(world.promote(&good, PATIENT).unwrap().number, 3, "promoted anew on top of a void fence");
    assert_eq!(world.promote(&world.model(2.0), PATIENT).unwrap().number, 4);
    world.deployment.wait(&[&running], || world.complete(4));
    let third = world.publish(2..3);
    world.deployment.wait(&[&running], || world.scored() == first + second + third);
    assert_eq!(world.by_model()["fraud@2"], third);
    assert_eq!(running.stop(), Vec::<String>::new());
    let given = world.given();
    assert_eq!((given.len(), world.replayed() == given), (first + second + third, true));
}

#[test]
fn a_fence_may_be_void_in_one_partition_alone() {
    let world = World::new();
    let (one, two) = (world.model(0.0), world.model(1.0));
    world.promote(&one, Readiness::Skipped).unwrap();
    world.promote(&two, Readiness::Skipped).unwrap();
    world.void(2, 3).unwrap();
    world.void(2, 3).unwrap();
    let mut running = world.deployment.start(Duration::ZERO, IDLE);
    world.deployment.start_scorer(Duration::ZERO, &mut running);
    let events = world.publish(0..1);
    world.deployment.wait(&[&running], || world.scored() == events && world.complete(2));
    assert_eq!(world.fences(), [2, 2, 2, 1]);
    assert_eq!(world.by_model().len(), 2);
    assert_eq!(world.history().void(2).unwrap(), [3]);
    assert_eq!(world.replayed(), world.given());
    assert!(world.reports().contains(&"VOID 3/2 the test wants it".to_owned()));
    // Whoever promotes next builds on what is in force everywhere, the threshold included.
    assert_eq!(world.history().in_force().unwrap().unwrap().number, 1);
    assert_eq!(world.promote(&two, PATIENT).unwrap().number, 3);
    world.deployment.wait(&[&running], || world.fences() == [3; 4]);
    assert_eq!(running.stop(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_void_is_refused_with_the_reason() {
    let world = World::new();
    let check = |number: u64, partition: i32, said: &str| {
        let error = world.void(number, partition).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    };
    check(1, 0, "there is no such control state, the newest is 0");
    check(0, 0, "names the log's parents");
    check(1, 4, "its partitions are 0 to 3, and 4 is none of them");
    let running = world.scorer();
    let model = world.model(0.0);
    world.promote(&model, PATIENT).unwrap();
    world.deployment.wait(&[&running], || world.complete(1));
    check(1, 2, "fence 1 was taken by fraud.features.log.f1.g1/2 already, and that is final");
    world.promote(&world.model_of(1.0, "other"), PATIENT).unwrap_err();
    check(2, 2, "was withdrawn and never written");
    assert_eq!(world.promote(&world.model(1.0), PATIENT).unwrap().number, 3);
    world.deployment.wait(&[&running], || world.complete(3));
    check(1, 2, "went on to fence 3 already");
    assert_eq!(running.stop(), Vec::<String>::new());
}

#[test]
fn a_task_and_an_operator_who_race_agree() {
    let world = World::new();
    world.promote(&world.model(0.0), Readiness::Skipped).unwrap();
    world.promote(&world.model(1.0), Readiness::Skipped).unwrap();
    let running = world.scorer();
    let declared: Vec<_> = world.history().partitions().into_iter().map(|partition| world.void(2, partition)).collect();
    world.deployment.wait(&[&running], || world.complete(2));
    for (partition, declared) in declared.iter().enumerate() {
        let outcome = world.deployment.decisions().find_fence_outcome(2, world.log(), partition as i32).unwrap();
        let (fence, wanted) = match declared {
            Ok(()) => (1, FenceOutcome::Void),
            Err(PromoteError::Taken { .. }) => (2, FenceOutcome::Taken),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(outcome, Some(wanted), "partition {partition}");
        world.deployment.wait(&[&running], || world.fences()[partition] == fence);
    }
    assert_eq!(running.stop(), Vec::<String>::new());
}

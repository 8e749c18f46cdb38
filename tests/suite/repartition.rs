//! `tidemill repartition`: the internal logs get more partitions, and fewer again, while producers go on; results are those
//! of a pipeline whose logs were never touched, the ledger agrees from the first event on, and a command that dies at any
//! step is called again or withdrawn.

use crate::fire::contents::{self, Contents, Items};
use crate::monitor::{SOURCE_PARTITIONS, transactions};
use crate::processes::{Processes, Published, SERVICES};
use flow::plan::{Kind, plan_generation};
use registry::generations::Generations;
use runtime::context::Context;
use runtime::failpoint::REPARTITION;
use std::ops::{Deref, Range};
use std::process::Stdio;
use tests::kafka::Kafka;
use tests::pipeline::Deployment;
use tests::service::State;

/// Sources are quiet soon once nobody publishes.
const ARGUMENTS: [&str; 4] = ["--idle-timeout", "3s", "--snapshot-interval", "500ms"];
const ARRIVAL: &str = "ordering: arrival";
const EVENT_TIME: &str = "ordering: event_time";
/// Days of transactions.
const DAYS: i64 = 6;
const EVENTS_PER_DAY: usize = 200;

struct World(Processes);

/// What came of a pipeline.
struct Results {
    features: Contents,
    published: Published,
}

impl Deref for World {
    type Target = Processes;

    fn deref(&self) -> &Processes {
        &self.0
    }
}

impl World {
    fn new(kafka: Option<Kafka>, ordering: &'static str, delivery: &'static str) -> Self {
        let replaced = [("ordering: arrival", ordering), ("delivery: low_latency", delivery)];
        World(Processes::new(kafka, &replaced, &ARGUMENTS))
    }

    /// Labels come last: they are of days that are to come, and once all sources are quiet time stands at the newest.
    fn publish(&self, days: Range<i64>, labels: Range<i64>) {
        let deployment = self.deployment();
        // Between partitions of a source there is no order, so where order of arrival counts there is but one.
        let partitions = if self.replaced[0].1 == EVENT_TIME { SOURCE_PARTITIONS } else { 1 };
        let (events, labels) = (transactions(days), transactions(labels));
        deployment.publish(events.events(&deployment.context, &events.spread(partitions)));
        deployment.publish(labels.labels(&deployment.context, &labels.spread(partitions)));
    }

    /// Whether validators have read everything.
    fn is_validated(&self, deployment: &Deployment) -> bool {
        let context = &deployment.context;
        let number = Generations::new(self.store(), "fraud").current().unwrap().number;
        let group = if number == 1 { "fraud.validator".to_owned() } else { format!("fraud.validator.g{number}") };
        let bounds = context.bounds(&context.plan.names.events).unwrap();
        let tps: Vec<_> = bounds.iter().map(|(tp, ..)| tp.clone()).collect();
        let committed = context.log.committed(&group, &tps).unwrap();
        bounds.iter().zip(committed).all(|((.., end), committed)| committed.is_some_and(|at| at.offset == *end))
    }

    /// Calls it with a place at which it dies, while somebody publishes.
    #[track_caller]
    fn kill(&self, arguments: &[&str], place: &str, publish: impl FnOnce()) {
        let mut command = self.place().command(arguments);
        let command = command.env("TIDEMILL_FAILPOINT", format!("kill {place} 1"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        publish();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), None, "it dies at {place}: {said}");
    }

    /// Partitions of the logs in a generation, whose context is returned.
    fn generation(&self, deployment: &Deployment, number: u32, partitions: u32) -> Context {
        let own = &deployment.context;
        let mut plan = plan_generation(&own.pipeline, number);
        let logs = plan.topics.iter_mut().filter(|topic| topic.kind == Kind::Log);
        logs.for_each(|topic| topic.partitions = partitions);
        let context = Context::new(own.log.clone(), own.schemas.clone(), (*own.pipeline).clone(), plan);
        for topic in context.plan.topics.iter().filter(|topic| topic.kind == Kind::Log) {
            let found = context.log.partitions(&topic.name).unwrap();
            assert_eq!(found, Some(partitions.cast_signed()), "{}", topic.name);
        }
        context
    }

    /// What came out, whichever generations of logs it is in.
    fn results(&self, generations: &[(u32, u32)]) -> Results {
        let deployment = self.deployment();
        let current = Generations::new(self.store(), "fraud").current().unwrap();
        assert_eq!(Some(&current.number), generations.last().map(|(number, _)| number));
        let features = generations.iter().map(|(number, partitions)| {
            let context = self.generation(&deployment, *number, *partitions);
            let found = contents::items(&context, &context.plan.names.features_log);
            assert!(found.len() > 0, "generation {number} has features");
            found
        });
        let features = features.reduce(Items::and).unwrap();
        let published = Published::of(&deployment);
        assert_eq!(published.predictions.len(), DAYS as usize * EVENTS_PER_DAY);
        Results { features: Contents::from([("features".to_owned(), features)]), published }
    }
}

/// Says what differs.
#[track_caller]
fn same(found: &Results, expected: &Results) {
    contents::same(&found.features, &expected.features);
    assert_eq!(found.published, expected.published);
}

/// How a pipeline ends whose logs keep their partitions.
fn calm(ordering: &'static str) -> Results {
    let world = World::new(None, ordering, "delivery: low_latency");
    world.publish(0..DAYS, 0..DAYS);
    world.drain();
    world.results(&[(1, 4)])
}

#[test]
fn logs_get_more_partitions_and_fewer_again_and_nothing_else_changes() {
    let world = World::new(None, ARRIVAL, "delivery: low_latency");
    world.call(&["repartition", "--partitions", "4"], 2, &["have 4 partitions already, in generation 1"]);
    world.call(&["repartition", "--partitions", "0"], 2, &["1..=256"]);
    world.call(&["repartition", "--partitions", "257"], 2, &["1..=256"]);
    world.call(&["repartition"], 2, &["--partitions"]);
    world.call(&["repartition", "--withdraw"], 2, &["no repartition is under way"]);
    world.call(&["repartition", "--partitions", "9", "--pipeline", "demo"], 2, &["run `tidemill apply` first"]);

    // Killed with work in its hands everywhere; what is behind it is still to be validated.
    world.publish(0..2, 0..0);
    let mut process = world.place().start(SERVICES, &["--poll-records", "16"], Some("kill published 9 fraud.scorer"));
    assert_eq!(process.ended(), State::Killed, "{}", process.tail());
    world.publish(2..3, 0..0);
    world.call(&["repartition", "--partitions", "16"], 0, &["have 16 partitions now, in generation 2"]);
    world.call(&["repartition", "--partitions", "16"], 2, &["have 16 partitions already, in generation 2"]);
    world.publish(3..4, 0..0);
    world.drain();
    world.call(&["ledger", "verify"], 0, &["everything agrees"]);
    world.call(&["ledger", "verify", "--recount"], 0, &["everything agrees"]);
    world.call(&["repair"], 0, &["nothing to repair"]);
    world.call(&["snapshot", "verify"], 0, &[]);
    world.call(&["repartition", "--partitions", "3"], 0, &["have 3 partitions now, in generation 3"]);
    world.publish(4..DAYS, 0..DAYS);
    world.drain();
    world.call(&["ledger", "verify"], 0, &["everything agrees"]);
    same(&world.results(&[(1, 4), (2, 16), (3, 3)]), &calm(ARRIVAL));
}

#[test]
fn producers_go_on_and_a_command_that_dies_is_called_again_or_withdrawn_on_kafka() {
    let Some(kafka) = Kafka::start() else { return };
    let world = World::new(Some(kafka), EVENT_TIME, "delivery: exactly_once");
    let more = ["repartition", "--partitions", "16"];
    let deployment = world.deployment();
    let predicted = |least: usize| deployment.rows(&deployment.context.plan.names.predictions).len() >= least;

    world.publish(0..1, 0..0);
    let running = world.place().start(SERVICES, &[], None);
    deployment.wait(&[], || predicted(EVENTS_PER_DAY / 2));
    world.call(&more, 3, &["has members (", "stop those services"]);
    world.publish(1..2, 0..0);
    deployment.wait(&[], || world.is_validated(&deployment));
    stop(running);
    let (last, dying) = REPARTITION.split_last().unwrap();
    for (day, place) in (2..).zip(dying) {
        world.kill(&more, place, || {
            if day < 4 {
                world.publish(day..day + 1, 0..0)
            }
        });
        world.refuses("validator", 2, "the logs are being repartitioned");
    }
    world.call(&["apply", "--rebuild"], 2, &["the logs are being repartitioned"]);
    world.call(&["repartition", "--partitions", "8"], 2, &["to 16 partitions is under way"]);
    world.call(&["repartition", "--withdraw"], 0, &["generation 2 with 16 partitions is withdrawn"]);
    world.call(&["repartition", "--withdraw"], 2, &["no repartition is under way"]);
    // Back in the old generation, and away again.
    let running = world.place().start(SERVICES, &[], None);
    deployment.wait(&[], || predicted(3 * EVENTS_PER_DAY));
    stop(running);
    world.kill(&more, last, || world.publish(4..5, 0..0));
    world.call(&more, 2, &["have 16 partitions already, in generation 3"]);
    let running = world.place().start(SERVICES, &[], None);
    deployment.wait(&[], || predicted(4 * EVENTS_PER_DAY));
    deployment.wait(&[], || world.is_validated(&deployment));
    stop(running);
    world.publish(5..DAYS, 0..DAYS);
    world.call(&["repartition", "--partitions", "4"], 0, &["have 4 partitions now, in generation 4"]);
    world.drain();
    world.call(&["ledger", "verify"], 0, &["everything agrees"]);
    let generations = [(1, 4), (3, 16), (4, 4)];
    same(&world.results(&generations), &calm(EVENT_TIME));
    let items = generations.iter().map(|(number, partitions)| {
        let context = world.generation(&deployment, *number, *partitions);
        contents::items(&context, context.plan.names.first_log()).len()
    });
    assert!(items.sum::<usize>() > DAYS as usize * EVENTS_PER_DAY, "items that were held are written again");
}

/// Stops services as an operator does.
fn stop(mut running: tests::service::Process) {
    running.ask_to_stop();
    running.ended_well();
}

//! `tidemill repartition`: the internal logs get more partitions, and fewer again, while producers go on; results are those
//! of a pipeline whose logs were never touched, the ledger agrees from the first event on, and a command that dies at any
//! step is called again or withdrawn.

use crate::fire::contents::{self, Contents, Items};
use crate::monitor::{order, promote, transactions};
use flow::plan::{Kind, plan_generation};
use registry::generations::Generations;
use registry::store::Store;
use runtime::context::Context;
use runtime::embedded::Embedded;
use runtime::failpoint::REPARTITION;
use runtime::log::Log;
use serde_json::Value;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tests::fraud::Transactions;
use tests::kafka::Kafka;
use tests::pipeline::{Deployment, fraud, fraud_text};
use tests::service::{Place, State, binary};

const SERVICES: &str = "validator featurizer scorer monitor";
/// Groups learn of a death soon, and sources are quiet soon once nobody publishes.
const ARGUMENTS: [&str; 6] =
    ["--idle-timeout", "3s", "--snapshot-interval", "500ms", "--kafka", "session.timeout.ms=3000"];
const ARRIVAL: &str = "ordering: arrival";
const EVENT_TIME: &str = "ordering: event_time";
/// Days of transactions.
const DAYS: i64 = 6;
const EVENTS_PER_DAY: usize = 200;

/// A pipeline whose services run as processes.
struct World {
    dir: tempfile::TempDir,
    kafka: Option<Kafka>,
    replaced: [(&'static str, &'static str); 2],
}

/// What came of a pipeline.
struct Results {
    features: Contents,
    predictions: Vec<String>,
    outcomes: Vec<String>,
    drift: Vec<String>,
}

impl World {
    fn new(kafka: Option<Kafka>, ordering: &'static str, delivery: &'static str) -> Self {
        let replaced = [("ordering: arrival", ordering), ("delivery: low_latency", delivery)];
        let world = World { dir: tempfile::tempdir().unwrap(), kafka, replaced };
        std::fs::write(world.path().join("pipeline.yaml"), fraud_text(&replaced)).unwrap();
        promote(&world.deployment(), &world.store());
        world
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn store(&self) -> Store {
        Store::local(&self.path().join("store")).unwrap()
    }

    /// The log, which on the embedded one no process may have at the same time.
    fn deployment(&self) -> Deployment {
        let log: Arc<dyn Log> = match &self.kafka {
            Some(kafka) => kafka.log(),
            None => Arc::new(Embedded::open(self.path().join("log")).unwrap()),
        };
        Deployment::new(log, self.store(), fraud(&self.replaced))
    }

    fn place(&self) -> Place {
        let brokers = self.kafka.as_ref().map(|kafka| kafka.brokers().to_owned());
        let arguments = &ARGUMENTS[..if brokers.is_some() { 6 } else { 4 }];
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Place { dir: self.path().to_owned(), brokers, arguments }
    }

    /// Labels come last: they are of days that are to come, and once all sources are quiet time stands at the newest.
    fn publish(&self, days: Range<i64>, labels: Range<i64>) {
        let deployment = self.deployment();
        let (events, labels) = (transactions(days), transactions(labels));
        deployment.publish(events.events(&deployment.context, &self.order(&events)));
        deployment.publish(labels.labels(&deployment.context, &self.order(&labels)));
    }

    /// Between partitions of a source there is no order, so where order of arrival counts there is but one.
    fn order(&self, rows: &Transactions) -> Vec<(usize, i32)> {
        let is_ordered = self.replaced[0].1 == EVENT_TIME;
        order(rows).into_iter().map(|(row, partition)| (row, if is_ordered { partition } else { 0 })).collect()
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

    /// Runs everything until all is through.
    fn drain(&self) {
        self.place().start(SERVICES, &["--drain"], None).ended_well();
    }

    fn command(&self, arguments: &[&str], failpoint: Option<&str>) -> Child {
        let mut command = Command::new(binary());
        command.args(arguments).args(["--data", "."]).env_remove("RUST_LOG");
        if !arguments.contains(&"--pipeline") {
            command.args(["--pipeline", "pipeline.yaml"]);
        }
        if let Some(kafka) = &self.kafka {
            command.args(["--brokers", kafka.brokers(), "--kafka", "session.timeout.ms=3000"]);
        }
        if let Some(place) = failpoint {
            command.env("TIDEMILL_FAILPOINT", format!("kill {place} 1"));
        }
        let command = command.current_dir(self.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Calls the program; its exit code and what it said.
    #[track_caller]
    fn call(&self, arguments: &[&str], code: i32, said: &[&str]) {
        let output = self.command(arguments, None).wait_with_output().unwrap();
        let all = [output.stdout, output.stderr].map(|part| String::from_utf8(part).unwrap()).concat();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
        said.iter().for_each(|part| assert!(all.contains(part), "{arguments:?} does not say `{part}`: {all}"));
    }

    /// Calls it with a place at which it dies, while somebody publishes.
    #[track_caller]
    fn kill(&self, arguments: &[&str], place: &str, publish: impl FnOnce()) {
        let child = self.command(arguments, Some(place));
        publish();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), None, "it dies at {place}: {said}");
    }

    /// A service that does not begin to work.
    fn refuses(&self, service: &str, said: &str) {
        let mut process = self.place().start(service, &[], None);
        match process.ended() {
            State::Ended(status) => assert_eq!(status.code(), Some(2), "{}", process.tail()),
            state => panic!("{service}: {state:?}"),
        }
        assert!(process.said().contains(said), "{}", process.tail());
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
        let names = &deployment.context.plan.names;
        let sorted = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        let all = |topic: &str| sorted(deployment.rows(topic).iter().map(Value::to_string).collect());
        // Whether the prediction was there before its label is a matter of time.
        let outcome = |row: &Value| format!("{} {} {}", row["event_id"], row["label"], row["known_time"]);
        let predictions = all(&names.predictions);
        assert_eq!(predictions.len(), DAYS as usize * EVENTS_PER_DAY);
        Results {
            features: Contents::from([("features".to_owned(), features)]),
            predictions,
            outcomes: sorted(deployment.rows(&names.outcomes).iter().map(outcome).collect()),
            drift: all(&names.drift),
        }
    }
}

/// Says what differs.
#[track_caller]
fn same(found: &Results, expected: &Results) {
    contents::same(&found.features, &expected.features);
    assert_eq!(found.predictions, expected.predictions);
    assert_eq!(found.outcomes, expected.outcomes);
    assert_eq!(found.drift, expected.drift);
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
        world.refuses("validator", "the logs are being repartitioned");
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

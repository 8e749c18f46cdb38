//! `tidemill repartition`: the internal logs get more partitions, and fewer again, while producers go on and, on Kafka,
//! services run; results are those of a pipeline whose logs were never touched, the ledger agrees from the first event on,
//! and a command that dies at any step is called again or withdrawn.

use crate::fire::contents::{self, Contents, Items};
use crate::monitor::{SOURCE_PARTITIONS, transactions};
use crate::processes::{Processes, Published, SERVICES};
use flow::plan::{Kind, plan_generation};
use registry::generations::Generations;
use runtime::context::Context;
use runtime::failpoint::{BEGUN, COMPLETE, CREATED, IN_FORCE, WISHED};
use serde_json::Value;
use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tests::kafka::Kafka;
use tests::pipeline::{Deployment, fraud_text};
use tests::service::{Process, State};

/// Sources are quiet soon once nobody publishes.
const ARGUMENTS: [&str; 4] = ["--idle-timeout", "3s", "--snapshot-interval", "500ms"];
const ARRIVAL: &str = "ordering: arrival";
const EVENT_TIME: &str = "ordering: event_time";
/// Days of transactions.
const DAYS: i64 = 6;
const EVENTS_PER_DAY: usize = 200;
/// A rule with a slip in it: about half of all amounts are above.
const WRONG: (&str, &str) = ("amount < 100000", "amount < 50");
/// Events that are published at once, for every partition some, and the time between two such handfuls.
const HANDFUL: usize = 8;
const PAUSE: Duration = Duration::from_millis(400);
/// Events that are wanted with each step of a test: they shall last to its end.
const STEP: usize = 96;
/// All services, in two processes.
const ALL: [&str; 2] =
    ["validator featurizer scorer monitor archiver", "validator featurizer scorer monitor trainer gateway"];
/// What a process says that waits, and when it begins to work.
const WAITS: &str = "services wait until the logs are repartitioned";
const RUNS: &str = "running validator";

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

    /// Publishes all events, a few at a time, and not more of them than are wanted yet.
    fn feed(&self, wanted: &AtomicUsize) {
        let (deployment, events) = (self.deployment(), transactions(0..DAYS));
        for (some, published) in events.spread(SOURCE_PARTITIONS).chunks(HANDFUL).zip((0..).step_by(HANDFUL)) {
            while wanted.load(Ordering::Relaxed) <= published {
                std::thread::park_timeout(PAUSE);
            }
            deployment.publish(events.events(&deployment.context, some));
            if wanted.load(Ordering::Relaxed) < events.len() {
                std::thread::park_timeout(PAUSE);
            }
        }
    }

    /// Calls it with a place at which it dies.
    #[track_caller]
    fn kill(&self, arguments: &[&str], place: &str) {
        let mut command = self.place().command(arguments);
        let output = command.env("TIDEMILL_FAILPOINT", format!("kill {place} 1")).output().unwrap();
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
    let mut process = world.place().start(SERVICES, &["--poll-records", "16"], Some("kill published 1 fraud.scorer"));
    assert_eq!(process.ended(), State::Killed, "{}", process.tail());
    world.publish(2..3, 0..0);
    for place in [CREATED, BEGUN] {
        world.kill(&["repartition", "--partitions", "16"], place);
        world.refuses("validator", 2, "the logs are being repartitioned");
    }
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
fn letters_that_are_retried_meanwhile_come_out_once_and_the_archive_agrees() {
    let world = World::new(None, ARRIVAL, "delivery: low_latency");
    let all = format!("{SERVICES} archiver");
    let drain = || world.place().start(&all, &["--drain"], None).ended_well();
    let rule = |replaced: &[(&str, &str)]| {
        std::fs::write(world.place().dir.join("pipeline.yaml"), fraud_text(replaced)).unwrap();
    };
    rule(&[&world.replaced[..], &[WRONG]].concat());
    world.publish(0..2, 0..0);
    drain();
    rule(&world.replaced);
    world.call(&["dlq", "retry", "--all"], 0, &[]);
    // What they became is published when their validator is killed, and that they were read is not committed.
    let died = Some("kill committing 1 fraud.validator");
    let mut process = world.place().start(&all, &["--poll-records", "16"], died);
    assert_eq!(process.ended(), State::Killed, "{}", process.tail());
    world.call(&["repartition", "--partitions", "16"], 0, &["have 16 partitions now, in generation 2"]);
    world.publish(2..2, 0..2);
    drain();
    let text = world.call(&["dlq", "retry", "--all"], 0, &[]);
    assert!(text.contains("no dead letter to retry"), "{text}");
    for how in [&[][..], &["--recount"], &["--offline"]] {
        world.call(&[&["ledger", "verify"], how].concat(), 0, &["everything agrees"]);
    }
    let deployment = world.deployment();
    let rows = deployment.rows(&deployment.context.plan.names.predictions);
    let mut ids: Vec<i64> =
        rows.iter().map(|row| row["event_id"].to_string().trim_matches('"').parse().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, transactions(0..2).id);
}

#[test]
fn services_make_way_while_producers_go_on_and_a_command_that_dies_is_called_again_or_withdrawn_on_kafka() {
    let Some(kafka) = Kafka::start() else { return };
    let world = World::new(Some(kafka), EVENT_TIME, "delivery: exactly_once");
    let wanted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| world.feed(&wanted));
        let _rest = Rest(&wanted);
        run_through(&world, &wanted);
    });
    world.publish(DAYS..DAYS, 0..DAYS);
    world.drain();
    world.call(&["ledger", "verify"], 0, &["everything agrees"]);
    let generations = [(1, 4), (3, 16), (4, 4)];
    same(&world.results(&generations), &calm(EVENT_TIME));
    let deployment = world.deployment();
    let items = generations.iter().map(|(number, partitions)| {
        let context = world.generation(&deployment, *number, *partitions);
        contents::items(&context, context.plan.names.first_log()).len()
    });
    assert!(items.sum::<usize>() > DAYS as usize * EVENTS_PER_DAY, "items that were held are written again");
}

/// Nobody but the repartitions stops the services of two processes.
fn run_through(world: &World, wanted: &AtomicUsize) {
    let more = ["repartition", "--partitions", "16"];
    let deployment = world.deployment();
    let predictions = || deployment.rows(&deployment.context.plan.names.predictions).len();
    let publish = || wanted.fetch_add(STEP, Ordering::Relaxed);
    let goes_on = || {
        let before = predictions();
        publish();
        deployment.wait(&[], || predictions() > before);
    };
    let mut first = world.place().start(ALL[0], &[], None);
    let second = world.place().start(ALL[1], &["--listen", "127.0.0.1:0"], None);
    goes_on();
    assert_eq!(ready(&second), (200, Vec::new()));

    for place in [WISHED, COMPLETE] {
        publish();
        world.kill(&more, place);
        deployment.wait(&[], || first.said().contains(WAITS) && second.said().contains(WAITS));
        if place == WISHED {
            first.kill();
            first = world.place().start(ALL[0], &[], None);
        }
    }
    deployment.wait(&[], || ready(&second).0 == 503);
    let waits = "the logs of fraud are being repartitioned to 16 partitions; services wait".to_owned();
    assert_eq!(ready(&second), (503, vec![waits]));
    world.call(&["apply", "--rebuild"], 2, &["the logs are being repartitioned"]);
    world.call(&["repartition", "--partitions", "8"], 2, &["to 16 partitions is under way"]);
    world.call(&["repartition", "--withdraw"], 0, &["generation 2 with 16 partitions is withdrawn"]);
    world.call(&["repartition", "--withdraw"], 2, &["no repartition is under way"]);
    // Back in the old generation, and away again.
    goes_on();
    publish();
    world.kill(&more, IN_FORCE);
    world.call(&more, 2, &["have 16 partitions already, in generation 3"]);
    goes_on();

    // One sleeps with work in its hands until the others are in the next generation, and wakes.
    publish();
    first.pause();
    let less = ["repartition", "--partitions", "4"];
    let left = ["services are at work after 0 s: fraud.", " at /127.0.0.1", "services wait meanwhile; call this again"];
    world.call(&[&less[..], &["--wait", "0s"]].concat(), 3, &left);
    world.call(&less, 0, &["have 4 partitions now, in generation 4"]);
    goes_on();
    let turns = first.said().matches(RUNS).count();
    first.wake();
    deployment.wait(&[], || first.said().matches(RUNS).count() > turns);
    goes_on();
    for mut process in [first, second] {
        process.ask_to_stop();
        process.ended_well();
    }
}

/// What the gateway of a process answers whether it is ready: the status, and what is missing.
fn ready(process: &Process) -> (u16, Vec<String>) {
    let said = process.said();
    let address = said.lines().rev().find_map(|line| line.strip_prefix("gateway at ")?.split_once(": ")).unwrap().0;
    let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
    let mut answer = agent.get(format!("{address}/readyz")).call().unwrap();
    let told: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    let reasons = told["reasons"].as_array().unwrap().iter().map(|reason| reason["error"].as_str().unwrap().to_owned());
    (answer.status().as_u16(), reasons.collect())
}

/// Has the rest published at once in the end, also that of a test that fails.
struct Rest<'a>(&'a AtomicUsize);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }
}

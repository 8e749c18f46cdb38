//! Promotions seen from outside: scorers say whether they are ready before a fence is written, whoever gives up cannot be
//! overruled by whoever goes on, and a fence that was written only in part is finished.

use flow::fence::{Control, ModelRef};
use flow::state::TaskState;
use registry::control::{ControlLog, Proposed};
use registry::store::{Store, escape};
use runtime::embedded::Embedded;
use runtime::log::{Log, TopicPartition};
use scorer::{Fate, History, PromoteError, Promotion, Readiness};
use std::sync::Arc;
use std::time::Duration;
use tests::models;
use tests::pipeline::{Deployment, Running, fraud};

/// Long enough for any scorer that runs.
pub(crate) const PATIENT: Readiness = Readiness::Within(Duration::from_secs(120));
/// Too short for one that does not.
const IMPATIENT: Readiness = Readiness::Within(Duration::from_millis(300));

/// A pipeline without its data.
pub(crate) struct World {
    pub deployment: Deployment,
    pub store: Store,
    _dir: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(Embedded::open(dir.path().join("log")).unwrap());
        Self::on(log, dir)
    }

    pub fn on(log: Arc<dyn Log>, dir: tempfile::TempDir) -> Self {
        let store = Store::local(&dir.path().join("store")).unwrap();
        World { deployment: Deployment::new(log, store.clone(), fraud(&[])), store, _dir: dir }
    }

    /// Publishes a model that adds `bias` to the amount; `feature_set` is what it says it was trained on.
    pub fn model_of(&self, bias: f32, feature_set: &str) -> ModelRef {
        models::publish(&self.store, &models::of_amount(feature_set, bias, &[0.0, 1.0]))
    }

    /// Publishes one that scorers can load.
    pub fn model(&self, bias: f32) -> ModelRef {
        self.model_of(bias, &self.deployment.context.pipeline.features.digest)
    }

    pub fn scorer(&self) -> Running {
        let mut running = Running::default();
        self.deployment.start_scorer(Duration::ZERO, &mut running);
        running
    }

    pub fn promote(&self, model: &ModelRef, readiness: Readiness) -> Result<Promotion, PromoteError> {
        scorer::promote_with(&self.deployment.context, self.deployment.decisions(), model.clone(), None, readiness)
    }

    pub fn history(&self) -> History {
        History::of(&self.deployment.context, self.deployment.decisions()).unwrap()
    }

    pub fn complete(&self, number: u64) -> bool {
        scorer::complete(&self.deployment.context, self.deployment.decisions(), number).unwrap()
    }

    pub fn log(&self) -> &str {
        &self.deployment.context.plan.names.features_log
    }

    /// All reports, as `STATE partition/number detail`; repeats of what a partition says once.
    pub fn reports(&self) -> Vec<String> {
        let rows = self.deployment.rows(&self.deployment.context.plan.names.control);
        let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
        let told = |row: &serde_json::Value| {
            assert_eq!(text(row, "log"), self.log());
            let line = format!(
                "{} {}/{} {}",
                text(row, "state"),
                row["partition"],
                row["control_number"],
                text(row, "detail")
            );
            line.trim_end().to_owned()
        };
        let mut lines: Vec<String> = rows.iter().map(told).collect();
        lines.dedup();
        lines
    }

    fn ends(&self) -> Vec<i64> {
        let log = &self.deployment.context.log;
        let end = |partition| log.watermarks(&TopicPartition::new(self.log(), partition)).unwrap().1;
        self.history().partitions().into_iter().map(end).collect()
    }

    /// The fence that each partition's commit shows.
    pub fn fences(&self) -> Vec<i64> {
        let context = &self.deployment.context;
        let tps: Vec<_> =
            self.history().partitions().into_iter().map(|at| TopicPartition::new(self.log(), at)).collect();
        let committed = context.log.committed(&scorer::group(context), &tps).unwrap();
        let fence = |metadata: &str| TaskState::read(metadata, &context.pipeline.features.digest).unwrap().fence;
        committed.iter().map(|commit| commit.as_ref().map_or(-1, |commit| fence(&commit.metadata))).collect()
    }

    /// A proposal by a process that then died; `passed` says how far it came.
    fn proposal(&self, number: u64, model: &ModelRef, passed: bool) -> Control {
        let (decisions, pipeline) = (self.deployment.decisions(), &self.deployment.context.pipeline.name);
        let history = ControlLog::new(decisions.clone(), pipeline, self.log());
        let parents = runtime::apply::parents(&self.deployment.context, self.log()).unwrap();
        let first = Control { parents, ..Control::default() };
        history.propose(0, first.clone()).unwrap();
        let control = Control { champion: Some(model.clone()), ..first };
        assert!(matches!(history.propose(number, control.clone()).unwrap(), Proposed::Won(_)));
        if passed {
            let key = format!("fates/{}/{number:020}", escape(self.log()));
            decisions.decide(&key, br#"{"fate":"passed"}"#).unwrap();
        }
        control
    }
}

#[test]
fn a_fence_is_written_when_all_partitions_are_ready() {
    check_readiness(&World::new());
}

#[test]
fn a_fence_is_written_when_all_partitions_are_ready_on_kafka() {
    let Some(kafka) = tests::kafka::Kafka::start() else { return };
    check_readiness(&World::on(kafka.log(), tempfile::tempdir().unwrap()));
}

fn check_readiness(world: &World) {
    let running = world.scorer();
    let model = world.model(0.0);
    assert_eq!(world.promote(&model, PATIENT).unwrap().number, 1);
    world.deployment.wait(&[&running], || world.complete(1));
    assert_eq!(world.promote(&model, PATIENT).unwrap().number, 1, "once more changes nothing");
    assert_eq!(world.promote(&world.model(1.0), PATIENT).unwrap().number, 2);
    world.deployment.wait(&[&running], || world.complete(2) && world.reports().len() >= 18);
    assert_eq!(world.fences(), [2; 4]);
    let mut reports = world.reports();
    reports.sort();
    let of = |said: &str| -> Vec<String> {
        (1..=2)
            .flat_map(|number| (0..4).map(move |at| (at, number)))
            .map(|(at, number)| format!("{said} {at}/{number}"))
            .collect()
    };
    let mut expected =
        [vec!["PROPOSED -1/1".to_owned(), "PROPOSED -1/2".to_owned()], of("READY"), of("TAKEN")].concat();
    expected.sort();
    assert_eq!(reports, expected);
    assert_eq!(running.stop(), Vec::<String>::new());

    // A scorer that comes back has nothing new to say.
    let running = world.scorer();
    assert_eq!(world.promote(&world.model(2.0), PATIENT).unwrap().number, 3);
    world.deployment.wait(&[&running], || world.complete(3));
    assert!(world.reports().iter().skip(18).all(|report| report.contains("/3")), "{:?}", world.reports());
    assert_eq!(running.stop(), Vec::<String>::new());
}

#[test]
fn without_scorers_nothing_is_promoted_unless_they_are_to_start_later() {
    let world = World::new();
    let (model, ends) = (world.model(0.0), world.ends());
    let error = world.promote(&model, IMPATIENT).unwrap_err();
    assert!(matches!(error, PromoteError::NotReady { number: 1, .. }), "{error}");
    let told = error.to_string();
    let said = ["partitions 0, 1, 2, 3 of fraud.features.log.f1.g1", "said within 300ms for", "tidemill run scorer"];
    said.iter().for_each(|said| assert!(told.contains(said), "{said} in {told}"));
    assert_eq!(world.ends(), ends, "no fence was written");
    assert!(matches!(world.history().fate(1).unwrap(), Some(Fate::Withdrawn { .. })));
    assert_eq!(world.history().in_force().unwrap().unwrap().number, 0);
    let reports = world.reports();
    assert_eq!((reports.len(), reports[1].starts_with("WITHDRAWN -1/1 control state 1")), (2, true), "{reports:?}");

    assert_eq!(world.promote(&model, Readiness::Skipped).unwrap().number, 2);
    assert_eq!(world.history().in_force().unwrap().unwrap().number, 2);
    let running = world.scorer();
    world.deployment.wait(&[&running], || world.complete(2));
    assert_eq!(running.stop(), Vec::<String>::new());
}

#[test]
fn a_scorer_that_starts_during_the_wait_answers() {
    let world = World::new();
    let model = world.model(0.0);
    std::thread::scope(|scope| {
        let promoted = scope.spawn(|| world.promote(&model, PATIENT));
        world.deployment.wait(&[], || world.reports() == ["PROPOSED -1/1"]);
        let running = world.scorer();
        assert_eq!(promoted.join().unwrap().unwrap().number, 1);
        world.deployment.wait(&[&running], || world.complete(1));
        assert_eq!(running.stop(), Vec::<String>::new());
    });
}

#[test]
fn a_model_that_scorers_refuse_is_not_promoted_and_they_go_on() {
    let world = World::new();
    let running = world.scorer();
    let good = world.model(0.0);
    world.promote(&good, PATIENT).unwrap();
    let error = world.promote(&world.model_of(1.0, "other"), PATIENT).unwrap_err();
    assert!(matches!(error, PromoteError::Refused { number: 2, .. }), "{error}");
    assert!(error.to_string().contains("was trained on feature set other"), "{error}");
    assert_eq!(world.promote(&good, PATIENT).unwrap().number, 1, "it is still the champion");
    assert_eq!(world.promote(&world.model(2.0), PATIENT).unwrap().number, 3);
    world.deployment.wait(&[&running], || world.complete(3));
    assert_eq!(running.stop(), Vec::<String>::new());
}

#[test]
fn scorers_finish_a_fence_that_was_written_in_part() {
    let world = World::new();
    let control = world.proposal(1, &world.model(0.0), true);
    runtime::apply::write_fence(&world.deployment.context, world.log(), &control, 1, &[1]).unwrap();
    let running = world.scorer();
    world.deployment.wait(&[&running], || world.complete(1));
    assert_eq!(world.fences(), [1; 4]);
    assert_eq!(running.stop(), Vec::<String>::new());
}

#[test]
fn promoting_the_same_again_finishes_it_too() {
    let world = World::new();
    let (model, ends) = (world.model(0.0), world.ends());
    world.proposal(1, &model, true);
    assert_eq!(world.promote(&model, PATIENT).unwrap().number, 1);
    assert_eq!(world.ends(), ends.iter().map(|end| end + 1).collect::<Vec<_>>());
}

#[test]
fn what_a_dead_promoter_left_is_joined_or_withdrawn() {
    let world = World::new();
    let (dead, mine) = (world.model(0.0), world.model(1.0));
    world.proposal(1, &dead, false);
    let running = world.scorer();
    assert_eq!(world.promote(&mine, Readiness::Within(Duration::from_secs(3))).unwrap().number, 2);
    assert!(matches!(world.history().fate(1).unwrap(), Some(Fate::Withdrawn { .. })));
    world.deployment.wait(&[&running], || world.complete(2));
    assert_eq!(running.stop(), Vec::<String>::new());

    let world = World::new();
    let dead = world.model(0.0);
    world.proposal(1, &dead, false);
    let running = world.scorer();
    assert_eq!(world.promote(&dead, PATIENT).unwrap().number, 1, "the same model joins it");
    assert_eq!(running.stop(), Vec::<String>::new());
}

#[test]
fn racing_promotions_agree() {
    let world = World::new();
    let running = world.scorer();
    let models: Vec<ModelRef> = (0..4).map(|bias| world.model(bias as f32)).collect();
    let promoted: Vec<_> = std::thread::scope(|scope| {
        let each: Vec<_> = models.iter().map(|model| scope.spawn(|| world.promote(model, PATIENT))).collect();
        each.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won: Vec<_> = promoted.iter().flatten().collect();
    assert!(!won.is_empty(), "{promoted:?}");
    let lost = promoted.iter().filter_map(|one| one.as_ref().err());
    lost.for_each(|error| assert!(matches!(error, PromoteError::Lost { .. }), "{error}"));
    let in_force = world.history().in_force().unwrap().unwrap();
    world.deployment.wait(&[&running], || world.complete(in_force.number));
    assert_eq!(world.fences(), [in_force.number as i64; 4]);
    assert!(won.iter().any(|promotion| promotion.control == in_force.state));
    assert_eq!(running.stop(), Vec::<String>::new());
}

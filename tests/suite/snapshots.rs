//! Snapshots of stateful tasks: state saved at any point and taken up again changes nothing that comes after.

use crate::limits;
use flow::plan::Service as Planned;
use flow::processor::{InRecord, OutRecord, Task};
use flow::snapshot::{Changes, Merged};
use flow::state::TaskState;
use runtime::cold::Spill;
use runtime::embedded::Embedded;
use runtime::log::{Input, Log, SessionOptions, TopicPartition};
use runtime::shell::Service;
use schemas::key::{internal_partition, key_group, key_hash};
use std::sync::Arc;
use std::time::Duration;
use tests::fraud::{DAY_MS, LABEL_DELAY_MS, Transaction, Transactions};
use tests::pipeline::{Deployment, Features, fraud};

use featurizer::{Featurizer, Role};
use registry::store::Store;

const EVENTS: usize = 480;
/// Events and labels are published in as many steps, so that logs have many records.
const STEPS: usize = 40;
/// So few that a step has several events of a customer, of which source partitions bring some late.
const LONG_STEPS: usize = 10;
const JITTER_MS: i64 = 5 * 60_000;
/// Keys of a task that may be in memory where most are to be on disk.
const KEYS_IN_MEMORY: usize = 3;
const IDLE: Duration = Duration::from_millis(300);

fn transactions() -> Transactions {
    let transaction = |at| Transaction {
        id: 1_000 + at,
        time_ms: 1_522_540_800_000 + at * DAY_MS / 10 + (at * 7_919) % JITTER_MS,
        customer: (at * 7 % 23) as i32,
        terminal: (at * 11 % 17) as i32,
        amount: (at * 37 % 1_000) as f64 / 8.0,
        fraud: at % 5 == 0,
    };
    (0..EVENTS as i64).map(transaction).collect()
}

/// Logs of a pipeline that has seen all transactions, some of them twice.
pub(crate) struct Logs {
    pub(crate) deployment: Deployment,
    features: Features,
    _dir: tempfile::TempDir,
}

impl Logs {
    pub(crate) fn new(ordering: &str) -> Self {
        Logs::with(ordering, &[], STEPS)
    }

    fn with(ordering: &str, replace: &[(&str, &str)], steps: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = Embedded::open(dir.path().join("log")).unwrap();
        // Steps are days long, and a log has their source partitions in any order.
        let horizon = ("dedupe_horizon: 1d", "dedupe_horizon: 30d");
        let ordering = format!("ordering: {ordering}");
        let replace = [&[("ordering: arrival", &*ordering), horizon], replace].concat();
        let pipeline = fraud(&replace);
        let deployment = Deployment::new(Arc::new(log), Store::memory(), pipeline);
        let rows = transactions();
        let running = deployment.start(Duration::ZERO, IDLE);
        let mut arrivals: Vec<(i64, usize, bool)> =
            (0..rows.len()).map(|row| (rows.time_ms[row], row, false)).collect();
        arrivals.extend((0..rows.len()).map(|row| (rows.time_ms[row] + LABEL_DELAY_MS, row, true)));
        arrivals.extend((0..rows.len()).step_by(9).map(|row| (rows.time_ms[row] + JITTER_MS, row, false)));
        arrivals.sort_unstable();
        for step in arrivals.chunks(arrivals.len().div_ceil(steps)) {
            let pick = |labels: bool| -> Vec<(usize, i32)> {
                step.iter().filter(|one| one.2 == labels).map(|one| (one.1, (one.1 % 4) as i32)).collect()
            };
            deployment.publish(rows.events(&deployment.context, &pick(false)));
            let labels = pick(true);
            if !labels.is_empty() {
                deployment.publish(rows.labels(&deployment.context, &labels));
            }
            deployment.wait(&[&running], || validated(&deployment));
        }
        let features = deployment.features(rows.len(), &running);
        assert_eq!(running.stop(), Vec::<String>::new());
        Logs { deployment, features, _dir: dir }
    }

    fn check(&self, role: Role, tp: &TopicPartition) {
        let context = &self.deployment.context;
        let task = |spill: Option<&Spill>| {
            let featurizer = Featurizer::new(context.clone(), role);
            let mut featurizer = match spill {
                Some(spill) => featurizer.spilling(spill.clone()),
                None => featurizer,
            };
            featurizer.open(tp, None).unwrap().task
        };
        let all_in_memory = check_task(&*context.log, tp, &|| task(None));
        let dir = tempfile::tempdir().unwrap();
        let spill = Spill::with(dir.path(), 0, KEYS_IN_MEMORY);
        assert_eq!(check_task(&*context.log, tp, &|| task(Some(&spill))), all_in_memory, "{tp} with state on disk");
    }
}

/// All records of a partition.
pub(crate) fn read(log: &dyn Log, tp: &TopicPartition) -> Vec<InRecord> {
    let (start, end) = log.watermarks(tp).unwrap();
    let input = Input::Assigned(vec![(tp.clone(), start)]);
    let mut session = log.session(SessionOptions::new("test.read", input)).unwrap();
    let mut records = Vec::new();
    while records.len() < (end - start) as usize {
        let poll = session.poll(Duration::from_millis(200)).unwrap();
        for record in poll.records.into_iter().flat_map(|(_, records)| records) {
            let headers = record.headers.into_iter().map(|header| (header.name, header.value)).collect();
            let (offset, append_time_ms) = (record.offset, record.append_time_ms);
            records.push(InRecord { offset, append_time_ms, key: record.key, value: record.value, headers });
        }
    }
    records.retain(|record| record.offset < end);
    records
}

/// Whether the validator has committed everything there is.
fn validated(deployment: &Deployment) -> bool {
    let context = &deployment.context;
    let task = context.plan.tasks_of(Planned::Validator).next().unwrap();
    task.reads.iter().all(|topic| {
        let partitions = context.log.partitions(topic).unwrap().unwrap();
        let tps: Vec<_> = (0..partitions).map(|partition| TopicPartition::new(topic.as_str(), partition)).collect();
        let committed = context.log.committed(&task.group_id, &tps).unwrap();
        tps.iter().zip(committed).all(|(tp, committed)| {
            let end = context.log.watermarks(tp).unwrap().1;
            end == 0 || committed.is_some_and(|committed| committed.offset == end)
        })
    })
}

/// Records by topic, partition and value.
pub(crate) type Given = Vec<(String, Option<u16>, Vec<u8>)>;

/// What a task gave for a batch, as bytes.
pub(crate) fn handle(task: &mut dyn Task, batch: &[InRecord], suppressed: bool) -> Given {
    let mut out: Vec<OutRecord> = Vec::new();
    task.handle(batch, suppressed, &mut out).unwrap();
    let shown = |record: OutRecord| {
        (record.topic.to_string(), record.partition, record.value.map(|value| value.to_vec()).unwrap_or_default())
    };
    out.into_iter().map(shown).collect()
}

struct Taken {
    /// Batches handled before it.
    batches: usize,
    blob: String,
    hash: u128,
    /// How many of the changes belong to it.
    changes: usize,
}

/// Makes a task at its log's start.
type MakeTask<'a> = &'a dyn Fn() -> Box<dyn Task>;

/// Checks the task of a partition in batches of 1, 7 and 4096 records; gives what it gave for each.
pub(crate) fn check_task(log: &dyn Log, tp: &TopicPartition, task: MakeTask<'_>) -> Vec<Given> {
    let records = read(log, tp);
    let sizes = [1, 7, 4096].into_iter();
    sizes.flat_map(|size| check_in_batches(&records, size, tp, task)).collect()
}

/// A task is cut again and again, and collected while it goes on; a task restored from any cut gives what it gave.
fn check_in_batches(records: &[InRecord], size: usize, tp: &TopicPartition, task: MakeTask<'_>) -> Vec<Given> {
    let batches: Vec<&[InRecord]> = records.chunks(size).collect();
    let mut live = task();
    live.state().unwrap().track();
    let (mut outputs, mut changes, mut cuts): (Vec<_>, Vec<Changes>, Vec<Taken>) = Default::default();
    let mut open: Option<Taken> = None;
    for (at, batch) in batches.iter().enumerate() {
        outputs.push(handle(&mut *live, batch, false));
        let last = at + 1 == batches.len();
        let state = live.state().unwrap();
        if open.is_none() && (at % 3 == 0 || last) {
            let hash = state.hash();
            open = Some(Taken { batches: at + 1, blob: state.cut(), hash, changes: 0 });
        }
        if let Some(collected) = state.collect(if last { usize::MAX } else { 2 }) {
            changes.push(collected);
            cuts.extend(open.take().map(|cut| Taken { changes: changes.len(), ..cut }));
        }
    }
    assert!(!cuts.is_empty() || batches.is_empty(), "{tp} was cut");
    let some = cuts.len().div_ceil(6).max(1);
    for cut in cuts.iter().step_by(some) {
        let mut merged = Merged::default();
        changes[..cut.changes].iter().for_each(|changes| merged.add(&changes.bytes).unwrap());
        assert_eq!(changes[cut.changes - 1].sum, cut.hash, "the sum that was kept is that of the state");
        merged.verify(cut.hash).unwrap();
        let mut again = task();
        let from = merged.restore(&cut.blob, again.state().unwrap()).unwrap();
        assert_eq!(again.state().unwrap().hash(), cut.hash);
        let position = batches[..cut.batches].iter().map(|batch| batch.len()).sum::<usize>();
        let held: Vec<InRecord> = records[..position].iter().filter(|record| record.offset >= from).cloned().collect();
        assert_eq!(handle(&mut *again, &held, true), []);
        for (at, batch) in batches.iter().enumerate().skip(cut.batches) {
            assert_eq!(handle(&mut *again, batch, false), outputs[at], "{tp} restored after batch {}", cut.batches);
        }
        assert_eq!(again.metadata(), live.metadata());
        assert_eq!(again.state().unwrap().hash(), live.state().unwrap().hash());
    }
    outputs
}

#[track_caller]
fn check_tasks(logs: &Logs) {
    for (role, log) in Featurizer::roles(&logs.deployment.context) {
        for partition in 0..2 {
            logs.check(role, &TopicPartition::new(log.as_str(), partition));
        }
    }
}

#[test]
fn state_taken_up_at_any_point_changes_nothing_in_arrival_order() {
    // Customers 17 and 22 are of one key group and push each other out.
    let limits = ("key: customer_id", "key: customer_id\n      limits: { keys: 256 }");
    let logs = Logs::with("arrival", &[limits], STEPS);
    check_tasks(&logs);
    let context = &logs.deployment.context;
    let (role, log) = Featurizer::roles(context).remove(0);
    let group = key_group(key_hash("17"));
    let tp = TopicPartition::new(log.as_str(), internal_partition(group, context.pipeline.partitions) as i32);
    logs.check(role, &tp);
    let mut task = Featurizer::new(context.clone(), role).open(&tp, None).unwrap().task;
    handle(&mut *task, &read(&*context.log, &tp), true);
    let state = TaskState::read(&task.metadata(), &context.pipeline.features.digest).unwrap();
    assert!(state.asides.evicted_keys > 10, "what goes is counted: {:?}", state.asides);
    limits::verify(&logs, role, &tp);
}

#[test]
fn state_taken_up_at_any_point_changes_nothing_where_some_features_skip_late_events() {
    let count = "        tx_count: count()\n        tx_amount_avg: avg(amount)\n";
    let both =
        "        tx_count: { of: count(), late: skip }\n        tx_all: count()\n        tx_amount_avg: avg(amount)\n";
    let logs = Logs::with("arrival", &[(count, both)], LONG_STEPS);
    check_tasks(&logs);
    let names = logs.deployment.context.pipeline.features.names();
    let at = |name: &str| names.iter().position(|other| other == name).unwrap();
    let (skipping, all) = (at("customer_tx_count_30d"), at("customer_tx_all_30d"));
    let mut less = 0;
    for (id, row) in &logs.features {
        assert!(row[skipping] <= row[all], "{id}: {:?} of {:?}", row[skipping], row[all]);
        less += usize::from(row[skipping] < row[all]);
    }
    assert_ne!(less, 0, "an event has another one in its windows that came late");
}

#[test]
fn state_taken_up_at_any_point_changes_nothing_in_event_time_order() {
    check_tasks(&Logs::new("event_time"));
}

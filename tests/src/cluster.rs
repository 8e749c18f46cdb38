//! Three real brokers of which any may be killed and started again: everything is on all three, and two must have it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use runtime::log::{Log, TopicSpec};

use crate::kafka::{Node, free_ports, jars, listens};
use crate::process::{Dir, Keeper, START_WAIT_MS};

/// How many brokers.
pub const NODES: usize = 3;
/// Memory of one.
const HEAP: &str = "384m";
/// Pause between two looks at what a cluster does by itself.
const LOOK_MS: u64 = 200;
/// A topic that can be created once all brokers are there.
const PROBE: &str = "test.probe";

/// A running cluster. Dropping it ends it and removes its data.
pub struct Cluster {
    brokers: String,
    members: Vec<Mutex<Member>>,
}

/// One broker, which may be dead, and its folder, which stays.
struct Member {
    jars: PathBuf,
    node: Node,
    dir: Arc<Dir>,
    config: PathBuf,
    keeper: Option<Keeper>,
}

impl Member {
    fn start(&mut self) -> Result<(), String> {
        let (jars, node, config) = (self.jars.clone(), self.node.clone(), self.config.clone());
        let port = node.port;
        let spawn = move |dir: &Dir| node.spawn(&jars, dir, &config).map_err(|error| error.to_string());
        self.keeper = Some(Keeper::start(self.dir.clone(), spawn, move || listens(port))?);
        Ok(())
    }
}

impl Cluster {
    /// Starts three brokers; `None` when this machine cannot have one.
    pub fn start() -> Option<Self> {
        let jars = jars()?;
        let ports: [u16; NODES * 2] = free_ports().unwrap_or_else(|error| panic!("no free ports: {error}"));
        let (ports, controllers) = ports.split_at(NODES);
        let nodes = ports.iter().zip(1..).map(|(port, id)| {
            let node = Node { id, port: *port, controllers: controllers.to_vec(), heap: HEAP };
            let dir = Dir::new("kafka").unwrap_or_else(|error| panic!("{error}"));
            let config = node.configure(&dir, None).unwrap_or_else(|error| panic!("no configuration: {error}"));
            Mutex::new(Member { jars: jars.clone(), node, dir: Arc::new(dir), config, keeper: None })
        });
        let members: Vec<_> = nodes.collect();
        // Two at least must be there before one is ready.
        thread::scope(|scope| {
            for member in &members {
                scope.spawn(|| {
                    let mut member = lock(member);
                    let Member { jars, node, dir, config, .. } = &*member;
                    let formatted = node.format_storage(jars, dir, config).map_err(|error| error.to_string());
                    let started = formatted.and_then(|()| member.start());
                    started.unwrap_or_else(|why| panic!("a broker did not start: {why}"));
                });
            }
        });
        let brokers: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let cluster = Cluster { brokers: brokers.join(","), members };
        // A broker listens before the others count it.
        let log = cluster.log();
        await_so("all brokers", || log.create_topics(&[TopicSpec::new(PROBE, 1)]).is_ok());
        Some(cluster)
    }

    /// The addresses of all.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// A fresh handle to it.
    pub fn log(&self) -> Arc<dyn Log> {
        Arc::new(self.kafka())
    }

    fn kafka(&self) -> runtime::kafka::Kafka {
        let log = runtime::kafka::Kafka::connect(&self.brokers, &BTreeMap::new());
        log.unwrap_or_else(|error| panic!("the test brokers should answer: {error}"))
    }

    /// Kills a broker as `kill -9` does.
    pub fn kill(&self, at: usize) {
        let keeper = lock(&self.members[at]).keeper.take();
        keeper.unwrap_or_else(|| panic!("broker {at} was dead already")).stop();
    }

    /// Starts a broker that was killed, and waits until all replicas are in sync again.
    pub fn revive(&self, at: usize) {
        lock(&self.members[at]).start().unwrap_or_else(|why| panic!("broker {at} did not come back: {why}"));
        let kafka = self.kafka();
        await_so("replicas in sync", || kafka.behind_replicas().is_ok_and(|behind| behind == 0));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &self.members {
            let keeper = lock(member).keeper.take();
            keeper.into_iter().for_each(Keeper::stop);
        }
    }
}

fn lock(member: &Mutex<Member>) -> std::sync::MutexGuard<'_, Member> {
    member.lock().unwrap_or_else(PoisonError::into_inner)
}

fn await_so(what: &str, done: impl Fn() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < Duration::from_millis(START_WAIT_MS), "{what}: it takes too long");
        thread::sleep(Duration::from_millis(LOOK_MS));
    }
}

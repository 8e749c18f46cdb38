//! A real Apache Kafka for tests: one node on loopback, started in seconds, gone with the test process.
//!
//! The jars come from `tests/kafka/install.sh`. They need Java and Maven.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use runtime::log::Log;

use crate::part::{Part, required};
use crate::process::{Dir, Keeper, install, say};

/// Longest wait for one knock at a starting broker.
const KNOCK_MS: u64 = 50;
/// A port may be taken between our look and the broker's: how often to try anew.
const STARTS_MAX: usize = 3;
/// After this long a silent broker is dead to the others, so that a test need not wait long.
const NODE_TIMEOUT_MS: u64 = 4_000;
/// The same where there are no others.
const LONE_TIMEOUT_MS: u64 = 30_000;
/// Any 16 bytes in base64 will do as a cluster's identity.
const CLUSTER_ID: &str = "dGlkZW1pbGwtdGVzdHMtMQ";

static SHARED: OnceLock<Option<Kafka>> = OnceLock::new();
static NAMES: AtomicU64 = AtomicU64::new(0);

/// The broker that all tests of this process share; `None` when this machine cannot have one.
pub fn kafka() -> Option<&'static Kafka> {
    SHARED
        .get_or_init(|| {
            let jars = jars()?;
            // SAFETY: the handler is a plain function that lives as long as the process.
            unsafe { libc::atexit(stop_shared) };
            Some(Kafka::start_from(&jars, None))
        })
        .as_ref()
}

extern "C" fn stop_shared() {
    if let Some(Some(kafka)) = SHARED.get() {
        kafka.stop();
    }
}

/// A running broker. Dropping it ends it and removes its data.
pub struct Kafka {
    brokers: String,
    behind: SocketAddr,
    keeper: Mutex<Option<Keeper>>,
}

impl Kafka {
    /// Starts a broker of one's own, for tests that stop it; `None` when this machine cannot have one.
    pub fn start() -> Option<Self> {
        Some(Self::start_from(&jars()?, None))
    }

    /// The same, with a second listener that tells its clients to go through a proxy on this port.
    pub fn start_behind(proxy_port: u16) -> Option<Self> {
        Some(Self::start_from(&jars()?, Some(proxy_port)))
    }

    /// Where that listener is, for the proxy.
    pub fn behind(&self) -> SocketAddr {
        self.behind
    }

    /// Its address.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// A fresh handle to it.
    pub fn log(&self) -> Arc<dyn Log> {
        let log = runtime::kafka::Kafka::connect(&self.brokers, &std::collections::BTreeMap::new());
        Arc::new(log.unwrap_or_else(|error| panic!("the test broker should answer: {error}")))
    }

    /// A prefix for topics and groups that no other test of this process has.
    pub fn prefix(&self, name: &str) -> String {
        format!("{name}.{}", NAMES.fetch_add(1, Ordering::Relaxed))
    }

    /// Ends the broker as a crash would.
    pub fn stop(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.stop();
        }
    }

    fn start_from(jars: &Path, proxy_port: Option<u16>) -> Self {
        for _ in 1..STARTS_MAX {
            match Self::try_start(jars, proxy_port) {
                Ok(kafka) => return kafka,
                Err(why) => say(&format!("the test broker did not start and is tried again: {why}")),
            }
        }
        Self::try_start(jars, proxy_port).unwrap_or_else(|why| panic!("the test broker did not start: {why}"))
    }

    fn try_start(jars: &Path, proxy_port: Option<u16>) -> Result<Self, String> {
        let dir = Dir::new("kafka")?;
        let ports = free_ports().map_err(|error| format!("no free port: {error}"))?;
        let [port, _, behind] = ports;
        let proxied = proxy_port.map(|proxy| (behind, proxy));
        let node = Node { id: 1, port, controllers: vec![ports[1]], heap: "512m" };
        let config = node.configure(&dir, proxied).map_err(|error| format!("no configuration: {error}"))?;
        let jars = jars.to_path_buf();
        let spawn = move |dir: &Dir| {
            let formatted = node.format_storage(&jars, dir, &config);
            formatted.and_then(|()| node.spawn(&jars, dir, &config)).map_err(|error| error.to_string())
        };
        let keeper = Keeper::start(dir, spawn, move || listens(port))?;
        let behind = SocketAddr::from(([127, 0, 0, 1], behind));
        Ok(Self { brokers: format!("127.0.0.1:{port}"), behind, keeper: Mutex::new(Some(keeper)) })
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The folder with Kafka's jars, installed when missing.
pub(crate) fn jars() -> Option<PathBuf> {
    static JARS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || required(Part::Kafka, install("kafka/install.sh")).map(|folder| Path::new(&folder).join("lib"));
    JARS.get_or_init(find).clone()
}

pub(crate) fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

/// Whether somebody listens there.
pub(crate) fn listens(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_millis(KNOCK_MS)).is_ok()
}

/// A broker that is a controller, too.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// From 1.
    pub id: usize,
    /// Where clients come.
    pub port: u16,
    /// Where the controllers of all nodes listen, in the order of their ids.
    pub controllers: Vec<u16>,
    /// Its memory, as Java wants it.
    pub heap: &'static str,
}

impl Node {
    /// Writes its configuration: everything is replicated to all nodes, and all but one of them must have it. Clients
    /// of the second listener are told to come through a proxy.
    pub(crate) fn configure(&self, dir: &Dir, proxied: Option<(u16, u16)>) -> io::Result<PathBuf> {
        let data = dir.path().join("data");
        let Node { id, port, controllers, .. } = self;
        let (nodes, controller) = (controllers.len(), controllers[id - 1]);
        let in_sync = (nodes - 1).max(1);
        let voters: Vec<String> =
            controllers.iter().zip(1..).map(|(port, id)| format!("{id}@127.0.0.1:{port}")).collect();
        let (listener, advertised, protocol) = match proxied {
            None => Default::default(),
            Some((behind, proxy)) => (
                format!(",PROXIED://127.0.0.1:{behind}"),
                format!(",PROXIED://127.0.0.1:{proxy}"),
                ",PROXIED:PLAINTEXT".to_owned(),
            ),
        };
        let properties = format!(
            "process.roles=broker,controller
node.id={id}
controller.quorum.voters={}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listener}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{protocol}
log.dirs={}
default.replication.factor={nodes}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={nodes}
transaction.state.log.replication.factor={nodes}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={nodes}
share.coordinator.state.topic.min.isr={in_sync}
broker.session.timeout.ms={}
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
auto.create.topics.enable=false
log.cleaner.enable=false
log.index.size.max.bytes=1048576
",
            voters.join(","),
            data.display(),
            if nodes > 1 { NODE_TIMEOUT_MS } else { LONE_TIMEOUT_MS },
        );
        let path = dir.path().join("server.properties");
        fs::write(&path, properties)?;
        Ok(path)
    }

    pub(crate) fn format_storage(&self, jars: &Path, dir: &Dir, config: &Path) -> io::Result<()> {
        let arguments = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", path_text(config)];
        let status = self.java(jars, dir, &arguments)?.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("formatting its storage failed{}", dir.tail())))
        }
    }

    /// Starts it. It ends with the calling thread.
    pub(crate) fn spawn(&self, jars: &Path, dir: &Dir, config: &Path) -> io::Result<Child> {
        self.java(jars, dir, &["kafka.Kafka", path_text(config)])
    }

    fn java(&self, jars: &Path, dir: &Dir, arguments: &[&str]) -> io::Result<Child> {
        let mut command = Command::new("java");
        command
            .arg(format!("-Xmx{}", self.heap))
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(jars.join("*"))
            .args(arguments);
        dir.spawn(&mut command)
    }
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap_or_else(|| panic!("{} should be text", path.display()))
}

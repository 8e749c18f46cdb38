//! A real Apache Kafka for tests: one node on loopback, started in seconds, gone with the test process.
//!
//! The jars come from `tests/kafka/install.sh`. Without Java or Maven the tests that need a broker are skipped with
//! one clear line, unless `TIDEMILL_REQUIRE_KAFKA=1` makes that an error.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use runtime::log::Log;

/// How long a broker may take from its start to its first answer.
const START_WAIT_MS: u64 = 120_000;
/// Pause between two knocks at a starting broker.
const START_LOOK_MS: u64 = 50;
/// A port may be taken between our look and the broker's: how often to try anew.
const STARTS_MAX: usize = 3;
/// Set to make a missing Kafka an error instead of a skip.
const REQUIRE: &str = "TIDEMILL_REQUIRE_KAFKA";
/// Any 16 bytes in base64 will do as a cluster's identity.
const CLUSTER_ID: &str = "dGlkZW1pbGwtdGVzdHMtMQ";
/// What the folders of brokers are called; a pid and a number follow.
const DIR_PREFIX: &str = "tidemill-test-kafka-";

static SHARED: OnceLock<Option<Kafka>> = OnceLock::new();
static NAMES: AtomicU64 = AtomicU64::new(0);

/// The broker that all tests of this process share; `None` when this machine cannot have one.
pub fn kafka() -> Option<&'static Kafka> {
    SHARED
        .get_or_init(|| {
            let jars = jars()?;
            // SAFETY: the handler is a plain function that lives as long as the process.
            unsafe { libc::atexit(stop_shared) };
            Some(Kafka::start_from(&jars))
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
    keeper: Mutex<Option<Keeper>>,
}

struct Keeper {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Kafka {
    /// Starts a broker of one's own, for tests that stop it; `None` when this machine cannot have one.
    pub fn start() -> Option<Self> {
        Some(Self::start_from(&jars()?))
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
        if let Some(Keeper { stop, thread }) = keeper {
            drop(stop);
            if thread.join().is_err() {
                say("the keeper of the test broker panicked");
            }
        }
    }

    fn start_from(jars: &Path) -> Self {
        remove_leftovers();
        for _ in 1..STARTS_MAX {
            match Self::try_start(jars) {
                Ok(kafka) => return kafka,
                Err(why) => say(&format!("the test broker did not start and is tried again: {why}")),
            }
        }
        Self::try_start(jars).unwrap_or_else(|why| panic!("the test broker did not start: {why}"))
    }

    /// The broker is spawned by a thread of its own that lives as long as it: Linux ends a child with the _thread_
    /// that spawned it, and a test's thread is gone before the next test.
    fn try_start(jars: &Path) -> Result<Self, String> {
        let dir = Dir::new().map_err(|error| format!("no folder for it: {error}"))?;
        let [port, controller] = free_ports().map_err(|error| format!("no free port: {error}"))?;
        let config = configure(&dir, port, controller).map_err(|error| format!("no configuration: {error}"))?;
        let jars = jars.to_path_buf();
        let (stop, stopped) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let started = format_storage(&jars, &dir, &config)
                .and_then(|()| spawn(&jars, &dir, &["kafka.Kafka", path_text(&config)]))
                .map_err(|error| error.to_string());
            let mut child = match started {
                Ok(child) => child,
                Err(why) => return drop(tell.send(Err(why))),
            };
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let ready = await_ready(&mut child, &dir, address);
            let is_ready = ready.is_ok();
            if tell.send(ready).is_ok() && is_ready {
                while stopped.recv_timeout(Duration::MAX) == Err(RecvTimeoutError::Timeout) {}
            }
            end(&mut child);
        });
        told.recv().map_err(|_| "its keeper panicked".to_owned())??;
        Ok(Self { brokers: format!("127.0.0.1:{port}"), keeper: Mutex::new(Some(Keeper { stop, thread })) })
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A line that the test harness does not capture.
fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

/// The folder with Kafka's jars, installed when missing.
fn jars() -> Option<PathBuf> {
    static JARS: OnceLock<Option<PathBuf>> = OnceLock::new();
    JARS.get_or_init(|| match install() {
        Ok(jars) => Some(jars),
        Err(why) => {
            let line = format!("skipped: real Kafka needs java 17 and mvn ({why})");
            assert!(
                std::env::var_os(REQUIRE).is_none_or(|value| value != "1"),
                "{line}, and {REQUIRE}=1 forbids a skip"
            );
            say(&line);
            None
        }
    })
    .clone()
}

fn install() -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/install.sh");
    let output = Command::new(&script).output().map_err(|error| format!("{} failed: {error}", script.display()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(text.trim().lines().last().unwrap_or("the installation failed").to_owned());
    }
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(Path::new(&folder).join("lib"))
}

/// A folder that goes away with its value.
struct Dir(PathBuf);

impl Dir {
    fn new() -> io::Result<Self> {
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{DIR_PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            say(&format!("{} could not be removed: {error}", self.0.display()));
        }
    }
}

/// Removes the folders of test processes that were killed.
fn remove_leftovers() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((pid, _)) = name.strip_prefix(DIR_PREFIX).and_then(|rest| rest.split_once('-')) else { continue };
        if !Path::new("/proc").join(pid).exists() {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

fn free_ports() -> io::Result<[u16; 2]> {
    let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([listeners[0].local_addr()?.port(), listeners[1].local_addr()?.port()])
}

fn configure(dir: &Dir, port: u16, controller: u16) -> io::Result<PathBuf> {
    let data = dir.0.join("data");
    let properties = format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
auto.create.topics.enable=false
log.cleaner.enable=false
log.index.size.max.bytes=1048576
",
        data.display()
    );
    let path = dir.0.join("server.properties");
    fs::write(&path, properties)?;
    Ok(path)
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap_or_else(|| panic!("{} should be text", path.display()))
}

fn format_storage(jars: &Path, dir: &Dir, config: &Path) -> io::Result<()> {
    let arguments = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", path_text(config)];
    let status = spawn(jars, dir, &arguments)?.wait()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("formatting its storage failed{}", tail(dir)))) }
}

/// Starts a Java program that ends with the calling thread.
fn spawn(jars: &Path, dir: &Dir, arguments: &[&str]) -> io::Result<Child> {
    let output = File::options().create(true).append(true).open(dir.0.join("output"))?;
    let mut command = Command::new("java");
    command
        .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
        .arg(jars.join("*"))
        .args(arguments)
        .current_dir(&dir.0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    // SAFETY: prctl is safe between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    command.spawn()
}

fn await_ready(child: &mut Child, dir: &Dir, address: SocketAddr) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_millis(START_WAIT_MS);
    let look = Duration::from_millis(START_LOOK_MS);
    while TcpStream::connect_timeout(&address, look).is_err() {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("it ended with {status}{}", tail(dir)));
        }
        if Instant::now() >= deadline {
            return Err(format!("it does not listen after {START_WAIT_MS} ms{}", tail(dir)));
        }
        std::thread::sleep(look);
    }
    Ok(())
}

fn end(child: &mut Child) {
    if let Err(error) = child.kill().and_then(|()| child.wait()) {
        say(&format!("the test broker could not be ended: {error}"));
    }
}

/// The end of what a broker printed.
fn tail(dir: &Dir) -> String {
    const LINES: usize = 20;
    let output = fs::read_to_string(dir.0.join("output")).unwrap_or_default();
    let lines: Vec<&str> = output.lines().collect();
    format!(":\n{}", lines[lines.len().saturating_sub(LINES)..].join("\n"))
}

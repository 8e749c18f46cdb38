//! A real schema registry for tests: Apicurio on loopback, with the Confluent interface, gone with the test process.
//!
//! It comes from `tests/apicurio/install.sh`. Without Java 21 or Maven the tests that need it are skipped with one
//! clear line, unless `TIDEMILL_REQUIRE_APICURIO=1` makes that an error.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the registry may take from its start to its first answer.
const START_WAIT_MS: u64 = 120_000;
/// Pause between two knocks at a starting registry.
const START_LOOK_MS: u64 = 100;
/// Lines of its output that are shown when it does not start.
const TAIL_LINES: usize = 20;
/// Set to make a missing registry an error instead of a skip.
const REQUIRE: &str = "TIDEMILL_REQUIRE_APICURIO";
/// Where the Confluent interface lies.
const BASE_PATH: &str = "/apis/ccompat/v7";

/// A running schema registry. Dropping it ends it and removes its data.
pub struct Apicurio {
    url: String,
    keeper: Option<(Sender<()>, JoinHandle<()>)>,
}

struct Installed {
    folder: PathBuf,
    java: PathBuf,
}

impl Apicurio {
    /// Starts a registry; `None` when this machine cannot have one.
    pub fn start() -> Option<Self> {
        let installed = match install() {
            Ok(installed) => installed,
            Err(why) => {
                let line = format!("skipped: a real schema registry needs java 21 and mvn ({why})");
                assert!(
                    std::env::var_os(REQUIRE).is_none_or(|value| value != "1"),
                    "{line}, and {REQUIRE}=1 forbids a skip"
                );
                say(&line);
                return None;
            }
        };
        match Self::start_from(installed) {
            Ok(running) => Some(running),
            Err(why) => panic!("the test schema registry did not start: {why}"),
        }
    }

    /// The base URL of its Confluent interface.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the registry as a crash would.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.keeper.take() {
            drop(stop);
            if thread.join().is_err() {
                say("the keeper of the test schema registry panicked");
            }
        }
    }

    /// The registry is spawned by a thread of its own that lives as long as it: Linux ends a child with the _thread_
    /// that spawned it.
    fn start_from(installed: Installed) -> Result<Self, String> {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let (stop, stopped) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let dir = match tempfile::Builder::new().prefix("tidemill-test-apicurio-").tempdir() {
                Ok(dir) => dir,
                Err(error) => return drop(tell.send(Err(format!("no folder for it: {error}")))),
            };
            let mut child = match spawn(&installed, dir.path(), port) {
                Ok(child) => child,
                Err(error) => return drop(tell.send(Err(error.to_string()))),
            };
            let ready = await_ready(&mut child, dir.path(), port);
            let is_ready = ready.is_ok();
            if tell.send(ready).is_ok() && is_ready {
                while stopped.recv_timeout(Duration::MAX) == Err(RecvTimeoutError::Timeout) {}
            }
            if let Err(error) = child.kill().and_then(|()| child.wait()) {
                say(&format!("the test schema registry could not be ended: {error}"));
            }
        });
        told.recv().map_err(|_| "its keeper panicked".to_owned())??;
        Ok(Self { url: format!("http://127.0.0.1:{port}{BASE_PATH}"), keeper: Some((stop, thread)) })
    }
}

impl Drop for Apicurio {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A line that the test harness does not capture.
fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

fn install() -> Result<Installed, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("apicurio/install.sh");
    let output = Command::new(&script).output().map_err(|error| format!("{} failed: {error}", script.display()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(text.trim().lines().last().unwrap_or("the installation failed").to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.lines().collect::<Vec<_>>().as_slice() {
        [folder, java] => Ok(Installed { folder: folder.into(), java: java.into() }),
        _ => Err(format!("{} printed no folder and java", script.display())),
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Starts the registry such that it ends with the calling thread.
fn spawn(installed: &Installed, dir: &Path, port: u16) -> io::Result<Child> {
    let output = File::options().create(true).append(true).open(dir.join("output"))?;
    let mut command = Command::new(&installed.java);
    command
        .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dquarkus.http.host=127.0.0.1"])
        .arg(format!("-Dquarkus.http.port={port}"))
        .arg("-jar")
        .arg(installed.folder.join("quarkus-run.jar"))
        .current_dir(dir)
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

/// Waits until the Confluent interface answers, not only until somebody listens.
fn await_ready(child: &mut Child, dir: &Path, port: u16) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_millis(START_WAIT_MS);
    while !answers(port) {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("it ended with {status}{}", tail(dir)));
        }
        if Instant::now() >= deadline {
            return Err(format!("it does not answer after {START_WAIT_MS} ms{}", tail(dir)));
        }
        std::thread::sleep(Duration::from_millis(START_LOOK_MS));
    }
    Ok(())
}

fn answers(port: u16) -> bool {
    let ask = || -> io::Result<bool> {
        let wait = Duration::from_millis(START_WAIT_MS);
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), wait)?;
        stream.set_read_timeout(Some(wait))?;
        write!(stream, "GET {BASE_PATH}/subjects HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

/// The end of what the registry printed.
fn tail(dir: &Path) -> String {
    let output = fs::read_to_string(dir.join("output")).unwrap_or_default();
    let lines: Vec<&str> = output.lines().collect();
    format!(":\n{}", lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
}

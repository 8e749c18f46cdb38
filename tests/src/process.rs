//! Servers that tests start: installed by a script of ours, kept by a thread each, gone with the test process.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a server may take from its start to its first answer.
pub(crate) const START_WAIT_MS: u64 = 120_000;
/// Pause between two knocks at a starting server.
const START_LOOK_MS: u64 = 50;
/// Lines of its output that are shown when it does not start.
const TAIL_LINES: usize = 20;
/// What folders of servers are called; the server, a pid and a number follow.
const DIR_PREFIX: &str = "tidemill-test-";

static DIRS: AtomicU64 = AtomicU64::new(0);

/// Writes a line that the test harness does not capture.
pub fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

/// What an install script of `tests/` printed; the error is the last line of its complaints.
pub(crate) fn install(script: &str) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(&script).output().map_err(|error| format!("{} failed: {error}", script.display()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(text.trim().lines().last().unwrap_or("the installation failed").to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A folder that goes away with its value.
pub(crate) struct Dir(PathBuf);

impl Dir {
    /// A folder for a server of this name. Those that killed test processes left behind go away first.
    pub(crate) fn new(server: &str) -> Result<Self, String> {
        let prefix = format!("{DIR_PREFIX}{server}-");
        remove_leftovers(&prefix);
        let number = DIRS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{prefix}{}-{number}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("no folder for it: {error}"))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The end of what was printed there.
    pub(crate) fn tail(&self) -> String {
        let output = fs::read_to_string(self.0.join("output")).unwrap_or_default();
        let lines: Vec<&str> = output.lines().collect();
        format!(":\n{}", lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
    }

    /// Starts a program in the folder such that it ends with the calling thread.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let output = File::options().create(true).append(true).open(self.0.join("output"))?;
        command.current_dir(&self.0).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // SAFETY: prctl is safe between fork and exec.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            });
        }
        command.spawn()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            say(&format!("{} could not be removed: {error}", self.0.display()));
        }
    }
}

fn remove_leftovers(prefix: &str) {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((pid, _)) = name.strip_prefix(prefix).and_then(|rest| rest.split_once('-')) else { continue };
        if !Path::new("/proc").join(pid).exists() {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// The thread that keeps a server. The server is spawned by a thread of its own that lives as long as it: Linux ends a
/// child with the _thread_ that spawned it, and a test's thread is gone before the next test.
pub(crate) struct Keeper {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts a server in its folder, and returns once it is `ready`; an error if it ends or takes too long. The folder
    /// goes with the server, unless somebody else holds it, too.
    pub(crate) fn start(
        dir: impl Into<Arc<Dir>>,
        spawn: impl FnOnce(&Dir) -> Result<Child, String> + Send + 'static,
        ready: impl Fn() -> bool + Send + 'static,
    ) -> Result<Self, String> {
        let (stop, stopped) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let dir: Arc<Dir> = dir.into();
        let thread = std::thread::spawn(move || {
            let mut child = match spawn(&dir) {
                Ok(child) => child,
                Err(why) => return drop(tell.send(Err(why))),
            };
            let started = await_ready(&mut child, &dir, ready);
            let is_ready = started.is_ok();
            if tell.send(started).is_ok() && is_ready {
                while stopped.recv_timeout(Duration::MAX) == Err(RecvTimeoutError::Timeout) {}
            }
            if let Err(error) = child.kill().and_then(|()| child.wait()) {
                say(&format!("the server in {} could not be ended: {error}", dir.path().display()));
            }
        });
        told.recv().map_err(|_| "its keeper panicked".to_owned())??;
        Ok(Self { stop, thread })
    }

    /// Ends the server as a crash would.
    pub(crate) fn stop(self) {
        let Self { stop, thread } = self;
        drop(stop);
        if thread.join().is_err() {
            say("the keeper of a test server panicked");
        }
    }
}

fn await_ready(child: &mut Child, dir: &Dir, ready: impl Fn() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_millis(START_WAIT_MS);
    while !ready() {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("it ended with {status}{}", dir.tail()));
        }
        if Instant::now() >= deadline {
            return Err(format!("it does not answer after {START_WAIT_MS} ms{}", dir.tail()));
        }
        std::thread::sleep(Duration::from_millis(START_LOOK_MS));
    }
    Ok(())
}

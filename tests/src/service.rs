//! The built binary's services as processes of their own, to be killed, stopped and woken. What they print goes to files.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Lines of its output that are shown when a process ended by itself.
const TAIL_LINES: usize = 30;
/// Longest that a process may take to end. A limit on hanging, no timing.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks at it.
const LOOK: Duration = Duration::from_millis(50);

static PROCESSES: AtomicU64 = AtomicU64::new(0);

/// The binary as cargo built it for this test run.
fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|error| panic!("{error}"));
    let folder = own.parent().and_then(Path::parent).unwrap_or_else(|| panic!("{} lies in a folder", own.display()));
    let binary = folder.join("tidemill");
    assert!(binary.is_file(), "{} is missing; `cargo test --workspace` builds it", binary.display());
    binary
}

/// Where services find everything, and what they are all told.
#[derive(Debug, Clone)]
pub struct Place {
    /// The data directory, with `pipeline.yaml` in it.
    pub dir: PathBuf,
    /// The brokers; none with the embedded log.
    pub brokers: Option<String>,
    /// Arguments for all of them.
    pub arguments: Vec<String>,
}

/// What a process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Runs,
    /// It was stopped, and may be woken.
    Stopped,
    /// It was killed.
    Killed,
    /// It ended by itself.
    Ended(ExitStatus),
}

/// A process with services. It is killed when dropped, and ends with the thread that started it.
#[derive(Debug)]
pub struct Process {
    /// What it runs.
    pub name: String,
    child: Child,
    output: PathBuf,
}

impl Place {
    /// Starts `tidemill run NAME`, or several names with blanks between them, with more arguments, and a failpoint if there
    /// is one.
    pub fn start(&self, name: &str, arguments: &[&str], failpoint: Option<&str>) -> Process {
        let number = PROCESSES.fetch_add(1, Ordering::Relaxed);
        let output = self.dir.join(format!("{}-{number}.log", name.replace(' ', "+")));
        let child = self.spawn(name, arguments, failpoint, &output);
        let child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Process { name: name.to_owned(), child, output }
    }

    /// The program with such arguments, to be run here. Another pipeline may be among them.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("TIDEMILL_") {
                command.env_remove(variable);
            }
        }
        command.args(arguments).args(["--data", "."]).args(&self.arguments);
        if !arguments.contains(&"--pipeline") {
            command.args(["--pipeline", "pipeline.yaml"]);
        }
        command.args(self.brokers.iter().flat_map(|brokers| ["--brokers", brokers]));
        command.env_remove("RUST_LOG").current_dir(&self.dir).stdin(Stdio::null());
        command
    }

    /// Calls the program until it ends: its exit code must be this, and all of these must be said. Gives what it wrote to
    /// standard output.
    #[track_caller]
    pub fn call(&self, arguments: &[&str], code: i32, said: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        let [out, error] = [&output.stdout, &output.stderr].map(|part| String::from_utf8_lossy(part).into_owned());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{error}");
        let is_said = |part: &&&str| out.contains(**part) || error.contains(**part);
        let missing = said.iter().find(|part| !is_said(part));
        assert_eq!(missing, None, "{arguments:?} does not say that: {out}{error}");
        out
    }

    fn spawn(&self, name: &str, arguments: &[&str], failpoint: Option<&str>, output: &Path) -> io::Result<Child> {
        let file = File::create(output)?;
        let arguments: Vec<&str> =
            ["run"].into_iter().chain(name.split(' ')).chain(arguments.iter().copied()).collect();
        let mut command = self.command(&arguments);
        command.env("RUST_LOG", "info");
        if let Some(failpoint) = failpoint {
            command.env("TIDEMILL_FAILPOINT", failpoint);
        }
        command.stdout(file.try_clone()?).stderr(file);
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

impl Process {
    /// What it is doing.
    pub fn state(&mut self) -> State {
        let ended = self.child.try_wait().unwrap_or_else(|error| panic!("{}: {error}", self.name));
        match ended {
            Some(status) if status.signal() == Some(libc::SIGKILL) => State::Killed,
            Some(status) => State::Ended(status),
            None if self.is_stopped() => State::Stopped,
            None => State::Runs,
        }
    }

    /// The letter behind the name in parentheses; see `man 5 proc_pid_stat`.
    fn is_stopped(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
    }

    /// Stops it in the middle of whatever it does.
    pub fn pause(&self) {
        self.signal(libc::SIGSTOP);
    }

    /// Wakes it after it was stopped.
    pub fn wake(&self) {
        self.signal(libc::SIGCONT);
    }

    /// Asks it to stop, as whoever takes a machine away does.
    pub fn ask_to_stop(&self) {
        self.signal(libc::SIGTERM);
    }

    /// Waits until it has ended, and says how.
    pub fn ended(&mut self) -> State {
        let since = Instant::now();
        loop {
            match self.state() {
                State::Runs | State::Stopped => assert!(since.elapsed() < PATIENCE, "it ends\n{}", self.tail()),
                ended => return ended,
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// The same for one that was asked to, or is done: nothing went wrong.
    pub fn ended_well(&mut self) {
        let ended = self.ended();
        assert!(matches!(ended, State::Ended(status) if status.success()), "{ended:?}\n{}", self.tail());
    }

    fn signal(&self, signal: i32) {
        // SAFETY: the process is our child and was not waited for, so the number is still its.
        let sent = unsafe { libc::kill(self.child.id().cast_signed(), signal) };
        assert_eq!(sent, 0, "{} was there for signal {signal}", self.name);
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.unwrap_or_else(|error| panic!("{} could not be killed: {error}", self.name));
    }

    /// What it printed so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// The end of that, for a failed test.
    pub fn tail(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        format!("{}:\n{}", self.name, lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

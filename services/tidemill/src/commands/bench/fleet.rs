//! The measured processes: started as children, looked at from outside, stopped with whoever measures.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use super::args::Feed;
use super::mark::Mark;
use super::place::Place;
use super::sample::{self, Sample};
use crate::error::Error;

/// How long a process may take to stop.
const STOP_WAIT: Duration = Duration::from_secs(30);
/// Pause between two looks at a process that is stopping.
const STOP_LOOK: Duration = Duration::from_millis(20);
/// Begin of the variables that set our options; what a child is to have, it is told.
const VARIABLES: &str = "TIDEMILL_";

/// What comes from whoever directs a run.
pub type Told = Result<Mark, Error>;

/// A measured process.
pub struct Process {
    /// What it runs.
    pub services: Vec<String>,
    /// How it was, from its start on.
    pub samples: Vec<Sample>,
    child: Child,
    /// Whether it directs the run, and ends with it.
    directs: bool,
}

/// All measured processes of a run. Dropped, it ends them.
#[derive(Default)]
pub struct Fleet {
    /// In the order they were started.
    pub processes: Vec<Process>,
}

impl Fleet {
    /// Starts a process for these services.
    pub fn start(&mut self, place: &Place, services: &[String]) -> Result<(), Error> {
        self.spawn(command(place, services)?, services).map(drop)
    }

    /// Starts one that directs the run itself, and passes on what it tells.
    pub fn start_directing(
        &mut self,
        place: &Place,
        services: &[String],
        feed: &Feed,
        told: Sender<Told>,
    ) -> Result<(), Error> {
        let mut command = command(place, services)?;
        command.arg("--direct").args(feed.arguments()).stdout(Stdio::piped());
        if let Some(stdout) = self.spawn(command, services)? {
            // Ends with the process; nobody waits for it.
            thread::spawn(move || pass_on(stdout, &told));
        }
        Ok(())
    }

    fn spawn(&mut self, mut command: Command, services: &[String]) -> Result<Option<ChildStdout>, Error> {
        let failed = |error| Error::Failed(format!("cannot start a process for {}: {error}", services.join(", ")));
        let mut child = command.spawn().map_err(failed)?;
        let stdout = child.stdout.take();
        let directs = stdout.is_some();
        self.processes.push(Process { services: services.to_vec(), samples: Vec::new(), child, directs });
        Ok(stdout)
    }

    /// Looks at every process.
    pub fn sample(&mut self) {
        for process in &mut self.processes {
            process.samples.extend(sample::take(process.child.id()));
        }
    }

    /// Fails when a process has ended.
    pub fn check(&mut self) -> Result<(), Error> {
        for process in &mut self.processes {
            let ended = process.child.try_wait();
            let ended = ended.map_err(|error| Error::Failed(format!("cannot look at a measured process: {error}")))?;
            if let Some(status) = ended {
                let services = process.services.join(", ");
                return Err(Error::Failed(format!(
                    "the process with {services} ended too early ({status}); it says why above, nothing is measured"
                )));
            }
        }
        Ok(())
    }

    /// Asks every process to stop unless it does so by itself, waits for it, and fails when one did not end well.
    pub fn stop(mut self) -> Result<(), Error> {
        self.processes.iter().filter(|process| !process.directs).for_each(Process::terminate);
        for process in &mut self.processes {
            let deadline = Instant::now() + STOP_WAIT;
            let services = process.services.join(", ");
            let failed = |what: String| Error::Failed(format!("the process with {services} {what}"));
            loop {
                match process.child.try_wait() {
                    Ok(Some(status)) if status.success() => break,
                    Ok(Some(status)) => return Err(failed(format!("ended with {status}; it says why above"))),
                    Ok(None) if Instant::now() < deadline => thread::sleep(STOP_LOOK),
                    Ok(None) => return Err(failed(format!("did not stop within {STOP_WAIT:?}"))),
                    Err(error) => return Err(failed(format!("cannot be looked at: {error}"))),
                }
            }
        }
        Ok(())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // One that has ended is an error here, and no harm.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

impl Process {
    fn terminate(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // SAFETY: the process is our child and was not waited for yet, so the number is still its.
            let _ = unsafe { libc::kill(pid, libc::SIGTERM) };
        }
    }

    /// How it was at that moment, or just after.
    pub fn at(&self, at: Instant) -> Option<&Sample> {
        self.samples.iter().find(|sample| sample.at >= at).or(self.samples.last())
    }
}

/// A worker's command line. Settings of the Kafka client, which may be secret, go by the environment.
fn command(place: &Place, services: &[String]) -> Result<Command, Error> {
    let program: PathBuf =
        std::env::current_exe().map_err(|error| Error::Failed(format!("cannot find this program: {error}")))?;
    let global = &place.global;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(VARIABLES) {
            command.env_remove(name);
        }
    }
    if !global.kafka.is_empty() {
        let settings: Vec<String> = global.kafka.iter().map(|(key, value)| format!("{key}={value}")).collect();
        command.env("TIDEMILL_KAFKA", settings.join(";"));
    }
    command.args(["bench", "worker", "--as", &place.name]).args(services).arg("--data").arg(&global.data);
    if let Some(pipeline) = &global.pipeline {
        command.args(["--pipeline", pipeline]);
    }
    if let Some(brokers) = &global.brokers {
        command.args(["--brokers", brokers]);
    }
    if let Some(timeout) = global.idle_timeout {
        command.args(["--idle-timeout", &format!("{}ms", timeout.as_millis())]);
    }
    command.args(["--gather", &format!("{}ms", global.gather.as_millis())]);
    command.args(["--snapshot-interval", &format!("{}ms", global.snapshot_interval.as_millis())]);
    command.args(["--state-memory", &format!("{}B", global.state_memory)]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    die_with_us(&mut command);
    Ok(command)
}

/// Has the system end a child whose parent was killed.
#[cfg(target_os = "linux")]
fn die_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: prctl may be called between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_us(_: &mut Command) {}

fn pass_on(stdout: ChildStdout, told: &Sender<Told>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if let Some(mark) = Mark::parse(&line)
            && told.send(Ok(mark)).is_err()
        {
            return;
        }
    }
}

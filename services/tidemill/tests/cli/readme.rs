//! The README's tutorial, word for word: its commands run in order against a real Kafka, and each shows what the README
//! shows. In the README `…` stands for what differs from run to run.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::folder;

/// Heading of the tutorial.
const SECTION: &str = "## Five minutes on your own Kafka";
/// What the tutorial calls the broker.
const BROKERS: &str = "localhost:9092";
/// Longest that all of it may take. A limit on hanging, no timing.
const WAIT_S_MAX: u64 = 900;
/// Stands before the output of each command.
const MARK: &str = "@@ command ";
/// Stands behind the output of one that failed.
const FAILED: &str = "@@ exit code ";

/// A command of the tutorial with the lines that it is said to show.
struct Step {
    command: String,
    shows: Vec<String>,
}

/// The steps in the section's console blocks.
fn steps(readme: &str) -> Vec<Step> {
    let (_, section) = readme.split_once(SECTION).expect("the README has a tutorial");
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut steps: Vec<Step> = Vec::new();
    for block in section.split("```console\n").skip(1) {
        for line in block.split("```").next().unwrap_or_default().lines() {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command: command.to_owned(), shows: Vec::new() }),
                (None, Some(step)) => step.shows.push(line.to_owned()),
                (None, None) => panic!("a block begins with a command: {line}"),
            }
        }
    }
    steps
}

/// The commands as a script that tells which one is next. The program is there already.
fn script(steps: &[Step], brokers: &str) -> String {
    let mut script = String::from("exec 2>&1\n");
    for (at, step) in steps.iter().enumerate() {
        let command = if step.command.starts_with("cargo ") { ":" } else { &step.command };
        let command = command.replace(BROKERS, brokers);
        script += &format!("echo '{MARK}{at}'\n{command}\ncode=$?; [ $code = 0 ] || echo \"{FAILED}$code\"\n");
    }
    script
}

/// A shell with all that it started; killed with the test.
struct Shell(Child);

impl Drop for Shell {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.0.id()) {
            // SAFETY: the group is the child's own, and the child was not waited for yet.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
        let _ = self.0.wait();
    }
}

fn shell(script: &str, dir: &Path) -> (Shell, Receiver<String>) {
    let program = Path::new(env!("CARGO_BIN_EXE_tidemill")).parent().expect("a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command.args(["-c", script]).current_dir(dir).process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TIDEMILL_")) {
        command.env_remove(name);
    }
    let child = command.env("PATH", format!("{program}:{path}")).env("TMPDIR", dir).env_remove("RUST_LOG").spawn();
    let mut child = child.expect("bash runs");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let (said, lines) = channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
    (Shell(child), lines)
}

/// What each command said.
fn run(steps: &[Step], brokers: &str, dir: &Path) -> Vec<Vec<String>> {
    let (_shell, lines) = shell(&script(steps, brokers), dir);
    let deadline = Instant::now() + Duration::from_secs(WAIT_S_MAX);
    let mut said: Vec<Vec<String>> = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.starts_with(MARK) => said.push(Vec::new()),
            Ok(line) => said.last_mut().expect("a command").push(line),
            Err(RecvTimeoutError::Disconnected) => return said,
            Err(RecvTimeoutError::Timeout) => {
                let at = said.len().saturating_sub(1);
                panic!("`{}` does not end: {:#?}", steps[at].command, said.last());
            }
        }
    }
}

/// Whether a line is as shown, where `…` may be anything.
fn is_like(line: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn shown_lines_may_leave_things_out() {
    assert!(is_like("a b c", "a b c") && !is_like("a b c d", "a b c"));
    assert!(is_like("a b c", "a…c") && is_like("a b c", "…b…") && is_like("ac", "a…c"));
    assert!(!is_like("a b c", "a…d") && !is_like("a b", "a…b…b"));
}

#[test]
fn the_tutorial_works_word_for_word() {
    let Some(kafka) = tests::kafka::Kafka::start() else { return };
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md"));
    let steps = steps(&readme.expect("the README"));
    assert!(steps.iter().any(|step| step.command.contains(BROKERS)), "the tutorial names its broker");
    let dir = folder();
    let said = run(&steps, kafka.brokers(), dir.path());
    assert_eq!(said.len(), steps.len(), "all commands ran");
    for (step, said) in steps.iter().zip(&said) {
        let mut lines = said.iter();
        for shown in &step.shows {
            let found = lines.any(|line| is_like(line, shown));
            assert!(found, "`{}` does not show `{shown}`, but\n{}", step.command, said.join("\n"));
        }
        assert!(!said.iter().any(|line| line.starts_with(FAILED)), "`{}`: {}", step.command, said.join("\n"));
    }
}

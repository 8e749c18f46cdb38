//! Pages of the documentation as scripts. All `console` blocks of a page are one shell's commands, in order, in an empty
//! folder, and each must show what the page shows, where `…` stands for anything.
//!
//! - A command goes on in the next line after `\`.
//! - One that says behind it `# ends with 2` must end with that code, one that shows an error not with 0, others with 0.
//! - A block of another language that says `file=NAME` is written to that file.
//! - Commands in a comment `<!-- console … -->` are run, and not seen by who reads the page.
//! - `cargo` is not called: the program is there already. Ports are free ones in place of those that pages name.
//!
//! What becomes of other blocks says `snippets`.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::folder;

/// What pages call the broker.
const BROKERS: &str = "localhost:9092";
/// What they call the gateway.
const GATEWAY: &str = "127.0.0.1:7077";
/// The port of its public address.
const PUBLIC: &str = ":7443";
/// Longest that a page may take. A limit on hanging, no timing.
const WAIT_S_MAX: u64 = 900;
/// Stands before the output of each command.
const MARK: &str = "@@ command ";
/// Stands behind the output of each, before its exit code.
const ENDED: &str = "@@ ended with ";
/// Stands before the exit code that a page expects.
const ENDS_WITH: &str = "# ends with ";

/// A command with what it is said to show, and how to end.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    shows: Vec<String>,
    exit: i32,
}

impl Step {
    fn new(command: String) -> Self {
        let exit = command.split_once(ENDS_WITH).and_then(|(_, code)| code.trim().parse().ok()).unwrap_or(0);
        Step { command, shows: Vec::new(), exit }
    }

    /// The file that a block is written to.
    fn file(name: &str, lines: &[&str]) -> Self {
        Step::new(format!("cat > '{name}' <<'@@ end'\n{}\n@@ end", lines.join("\n")))
    }

    /// Adds a line of a console block.
    fn read(steps: &mut Vec<Step>, line: &str) {
        let goes_on = |step: &&mut Step| step.shows.is_empty() && step.command.ends_with('\\');
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step::new(command.to_owned())),
            (None, Some(step)) if goes_on(&step) => *step = Step::new(format!("{}\n{line}", step.command)),
            (None, Some(step)) => step.shows.push(line.to_owned()),
            (None, None) => panic!("a block begins with a command: {line}"),
        }
    }
}

/// A block of a page: what stands behind its fence, and its lines. Commands in a comment are one of `console`.
pub struct Block<'p> {
    pub info: &'p str,
    lines: Vec<&'p str>,
}

impl Block<'_> {
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// The blocks of a page.
pub fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let (info, end) = match (line.trim_start().strip_prefix("```"), line.strip_prefix("<!-- ")) {
            (Some(info), _) => (info, "```"),
            (_, Some("console")) => ("console", "-->"),
            _ => continue,
        };
        let indent = line.len() - line.trim_start().len();
        let block = lines.by_ref().take_while(|line| line.trim_start() != end);
        blocks.push(Block { info, lines: block.map(|line| line.get(indent..).unwrap_or_default()).collect() });
    }
    blocks
}

/// The steps of a page.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for Block { info, lines } in blocks(page) {
        match (info, info.split_once("file=")) {
            ("console", _) => lines.iter().for_each(|line| Step::read(&mut steps, line)),
            (_, Some((_, name))) => steps.push(Step::file(name, &lines)),
            _ => {}
        }
    }
    steps
}

/// The steps as a script that tells which one is next, and how it ended.
fn script(steps: &[Step], brokers: &str, gateway: &str) -> String {
    let public = format!(":{}", free().port());
    let mut script = String::from("exec 2>&1\n");
    for (at, step) in steps.iter().enumerate() {
        let is_cargo = step.command.split(' ').any(|word| word == "cargo");
        let command = if is_cargo { ":" } else { &step.command };
        let command = command.replace(BROKERS, brokers).replace(GATEWAY, gateway).replace(PUBLIC, &public);
        script += &format!("echo '{MARK}{at}'\n{command}\necho \"{ENDED}$?\"\n");
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

fn shell(script: &str, dir: &Path, gateway: &str) -> (Shell, Receiver<String>) {
    let program = Path::new(env!("CARGO_BIN_EXE_tidemill")).parent().expect("a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command.args(["-c", script]).current_dir(dir).process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TIDEMILL_")) {
        command.env_remove(name);
    }
    command.env("PATH", format!("{program}:{path}")).env("TMPDIR", dir).env_remove("RUST_LOG");
    let child = command.env("TIDEMILL_LISTEN", gateway).spawn();
    let mut child = child.expect("bash runs");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let (said, lines) = channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
    (Shell(child), lines)
}

/// A port that nobody has.
pub fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// What each command said, its end the last.
fn run(steps: &[Step], brokers: &str, dir: &Path) -> Vec<Vec<String>> {
    let gateway = free().to_string();
    let (_shell, lines) = shell(&script(steps, brokers, &gateway), dir, &gateway);
    let deadline = Instant::now() + Duration::from_secs(WAIT_S_MAX);
    let mut said: Vec<Vec<String>> = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.starts_with(MARK) => said.push(Vec::new()),
            Ok(line) => said.last_mut().expect("a command").push(line.replace(&gateway, GATEWAY)),
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

/// Runs a page; says so where it needs a broker that is not there.
pub fn holds(name: &str, page: &str) {
    holds_in(folder().path(), name, page);
}

/// Runs a page in this folder, and returns what each of its commands said.
pub fn holds_in(dir: &Path, name: &str, page: &str) -> Vec<Vec<String>> {
    let steps = steps(page);
    let kafka = steps.iter().any(|step| step.command.contains(BROKERS)).then(tests::kafka::Kafka::start);
    let brokers = match &kafka {
        Some(None) => return Vec::new(),
        Some(Some(kafka)) => kafka.brokers(),
        None => "",
    };
    let said = run(&steps, brokers, dir);
    assert_eq!(said.len(), steps.len(), "{name}: all commands ran");
    for (step, said) in steps.iter().zip(&said) {
        let (command, all) = (&step.command, said.join("\n"));
        let mut lines = said.iter();
        for shown in &step.shows {
            assert!(lines.any(|line| is_like(line, shown)), "{name}: `{command}` does not show `{shown}`, but\n{all}");
        }
        let ends = said.last().and_then(|line| line.rsplit_once(ENDED)).and_then(|(_, code)| code.parse().ok());
        let is_told = step.exit == 0 && step.shows.iter().any(|line| line.starts_with("error: "));
        let is_so = if is_told { ends > Some(0) } else { ends == Some(step.exit) };
        assert!(is_so, "{name}: `{command}` does not end so:\n{all}");
    }
    said
}

#[test]
fn shown_lines_may_leave_things_out() {
    assert!(is_like("a b c", "a b c") && !is_like("a b c d", "a b c"));
    assert!(is_like("a b c", "a…c") && is_like("a b c", "…b…") && is_like("ac", "a…c"));
    assert!(!is_like("a b c", "a…d") && !is_like("a b", "a…b…b"));
}

#[test]
fn blocks_are_commands_files_and_pictures() {
    let page = "\
text
```console
$ a \\
  b   # ends with 2
shows
$ c
```
<!-- console
$ hidden
-->
```yaml file=x.yaml
k: v
```
```yaml
only: shown
```
";
    let step = |command: &str, shows: &[&str], exit| Step {
        command: command.to_owned(),
        shows: shows.iter().map(|&line| line.to_owned()).collect(),
        exit,
    };
    let expected = [
        step("a \\\n  b   # ends with 2", &["shows"], 2),
        step("c", &[], 0),
        step("hidden", &[], 0),
        step("cat > 'x.yaml' <<'@@ end'\nk: v\n@@ end", &[], 0),
    ];
    assert_eq!(steps(page), expected);
    let run = run(&[step("false  # ends with 1", &[], 1), step("echo x", &["x"], 0)], "", Path::new("."));
    assert_eq!(
        run,
        [["@@ ended with 1"].map(str::to_owned).to_vec(), ["x", "@@ ended with 0"].map(str::to_owned).to_vec()]
    );
}

//! Large bodies cost the process that refuses them no memory, and nothing that comes after them.

use std::fs;
use std::io::Read;
use std::process::Stdio;
use std::thread;

use ureq::SendBody;

use super::{Running, check, command, folder, lines, wait_for};

const LARGE_BYTES: u64 = 50_000_000;
const PATHS: [&str; 4] = [
    "/v1/sources/transactions/events",
    "/v1/score",
    "/v1/publish/fraud.transactions.events.v1",
    "/v2/models/fraud/infer",
];
/// What a process may grow by while it refuses eight such bodies at once: less than two of them.
const GROWTH_BYTES_MAX: u64 = 64_000_000;

/// The most memory that a process has had so far.
fn peak_bytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1024
}

#[test]
fn large_bodies_are_refused_without_being_held() {
    let dir = folder();
    let dir = dir.path();
    check(dir, &["init", "--template", "fraud"], 0, &[]);
    let up = command(dir, &["up", "--listen", "127.0.0.1:0"]).stderr(Stdio::null()).spawn().expect("the binary runs");
    let process = up.id();
    let _up = Running(up);
    wait_for(&dir.join(".tidemill/gateway"));
    let address = fs::read_to_string(dir.join(".tidemill/gateway")).expect("an address");
    let url = format!("http://{}", address.lines().next().unwrap_or_default().trim());
    let before = peak_bytes(process);
    let refused = &|path: &str, length: Option<u64>| {
        let mut spaces = std::io::repeat(b' ').take(LARGE_BYTES);
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = agent.post(format!("{url}{path}"));
        let request =
            length.iter().fold(request, |request, length| request.header("content-length", length.to_string()));
        let answer = request.send(SendBody::from_reader(&mut spaces)).expect("an answer");
        assert_eq!(answer.status().as_u16(), 413, "{path}");
    };
    thread::scope(|scope| {
        for path in PATHS {
            scope.spawn(move || refused(path, None));
            scope.spawn(move || refused(path, Some(LARGE_BYTES)));
        }
    });
    let grown = peak_bytes(process) - before;
    assert!(grown < GROWTH_BYTES_MAX, "it grew by {grown} bytes");

    check(dir, &["publish", "events.csv", "--label-column", "TX_FRAUD"], 0, &["published"]);
    let tapped = ["tap", "fraud.transactions.events.v1", "--from", "start", "--limit", "1"];
    assert_eq!(lines(&check(dir, &tapped, 0, &[])).len(), 1);
}

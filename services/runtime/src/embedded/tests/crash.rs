//! kill -9 in the middle of a write, for real: a child process writes and says what was acknowledged, and is killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::*;

/// Tells the child which directory to write to; not set in an ordinary run.
const CHILD_DIR: &str = "TIDEMILL_CRASH_TEST_DIR";
/// How often the child is killed.
const ROUNDS: usize = 12;
/// Acknowledgements that are awaited before the kill, at least.
const ACKNOWLEDGED_MIN: usize = 40;

/// The child's part, which does nothing in an ordinary run: appends records in two topics with a commit, all in one
/// step, and acknowledges each number on stdout, until it is killed.
#[test]
fn crash_child() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let log = Embedded::open_with(dir, Options { segment_bytes_max: 200_000, ..tiny() }, system_clock()).unwrap();
    log.create_topics(&[TopicSpec::new("left", 1), TopicSpec::new("right", 1).public()]).unwrap();
    let options = SessionOptions { durable: true, ..SessionOptions::group("child", "g", ["left"]) };
    let mut session = log.session(options).unwrap();
    assert_eq!(session.poll(Duration::ZERO).unwrap().assigned.len(), 1);
    let (_, mut number) = log.watermarks(&tp("left", 0)).unwrap();
    let mut stdout = std::io::stdout().lock();
    loop {
        let value = Bytes::from(format!("{number} {}", "x".repeat((number as usize * 977) % 30_000)));
        session.publish(Publish::batch(tp("left", 0), value.clone())).unwrap();
        session.publish(Publish::batch(tp("right", 0), value)).unwrap();
        let metadata = format!("state {number}");
        session.commit(&[Commit { tp: tp("left", 0), offset: number, metadata }]).unwrap();
        writeln!(stdout, "acknowledged {number}").unwrap();
        stdout.flush().unwrap();
        number += 1;
    }
}

fn spawn(dir: &TempDir) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "embedded::tests::crash::crash_child", "--nocapture"])
        .env(CHILD_DIR, dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets a child write until enough is acknowledged, kills it, and returns all numbers it acknowledged.
fn write_and_kill(dir: &TempDir, round: usize) -> BTreeSet<i64> {
    let mut child = spawn(dir);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = BTreeSet::new();
    let note = |line: std::io::Result<String>, acknowledged: &mut BTreeSet<i64>| {
        if let Some(number) = line.unwrap().strip_prefix("acknowledged ") {
            acknowledged.extend(number.parse::<i64>());
        }
    };
    while acknowledged.len() < ACKNOWLEDGED_MIN + round * 7 {
        let line = lines.next().expect("the child writes until it is killed");
        note(line, &mut acknowledged);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lines.for_each(|line| note(line, &mut acknowledged));
    acknowledged
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = TempDir::new().unwrap();
    for round in 0..ROUNDS {
        let acknowledged = write_and_kill(&dir, round);
        let log = open(&dir, tiny());
        let left = values(&log, "left");
        assert_eq!(left, values(&log, "right"), "an append is whole or not there");
        for (number, value) in left.iter().enumerate() {
            assert_eq!(value.split(' ').next(), Some(number.to_string().as_str()), "dense and in order");
        }
        let last = *acknowledged.last().unwrap();
        assert!(left.len() as i64 > last, "{last} was acknowledged, and {} records are left", left.len());
        let committed = log.committed("g", &[tp("left", 0)]).unwrap().remove(0).unwrap();
        assert_eq!(committed.offset, left.len() as i64 - 1, "offset and outputs are of one step");
        assert_eq!(committed.metadata, format!("state {}", committed.offset));
    }
}

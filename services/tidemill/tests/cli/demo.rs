//! The demo tells its whole story, and leaves nothing behind, however it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use super::models::table;
use super::{Running, check, command, folder};

fn interrupt(child: &Child) {
    let pid = i32::try_from(child.id()).expect("a pid");
    // SAFETY: the process is our child and was not waited for yet, so the number is still its.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
}

/// Runs a demo until history was published, interrupts it so often, and returns its exit code.
fn interrupted(dir: &Path, times: usize) -> Option<i32> {
    let tmp = dir.join("tmp");
    std::fs::create_dir_all(&tmp).expect("a folder");
    let mut demo = command(dir, &["demo", "--fresh"]);
    let demo = demo.env("TMPDIR", &tmp).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut demo = Running(demo.expect("the binary runs"));
    let mut said = BufReader::new(demo.0.stdout.take().expect("piped")).lines();
    assert!(said.any(|line| line.expect("text").contains("days of history")), "it begins");
    assert_ne!(std::fs::read_dir(&tmp).expect("a folder").count(), 0, "it works in a folder of its own");
    (0..times).for_each(|_| interrupt(&demo.0));
    let code = demo.0.wait().expect("it ends").code();
    let left: Vec<_> = std::fs::read_dir(&tmp).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!dir.join(".tidemill").exists());
    code
}

#[test]
fn drift_is_found_on_cue_and_a_retrained_model_takes_over() {
    let dir = folder();
    let said = check(dir.path(), &["demo"], 0, &["that is the whole loop"]);
    let at = |wanted: &str| said.find(wanted).unwrap_or_else(|| panic!("no `{wanted}` in:\n{said}"));
    let story = ["published 45 days", "cards@1 trained on", "cards@1 CHAMPION", "cue:", "ALARM", "incident OPEN"];
    // The answer and the new champion are told on two topics, so either may be heard first.
    for end in ["COMPLETED", "cards@2 CHAMPION"] {
        let story: Vec<usize> = story.into_iter().chain([end]).map(at).collect();
        assert!(story.is_sorted(), "{said}");
    }
    let trained = said.lines().find_map(|line| Some(line.split_once("AUC ")?.1.split_once(',')?.0)).expect("measures");
    assert!(trained.parse::<f64>().expect("a number") > 0.9, "{said}");
}

#[test]
fn ctrl_c_removes_everything() {
    let dir = folder();
    assert_eq!(interrupted(dir.path(), 1), Some(0));
}

#[test]
fn an_impatient_second_ctrl_c_removes_everything_too() {
    let dir = folder();
    // The first may already have ended it.
    assert!(matches!(interrupted(dir.path(), 2), Some(0 | 130)));
}

#[test]
fn a_kept_folder_is_not_overwritten_unless_asked_for() {
    let dir = folder();
    let keep = ["demo", "--keep", "kept", "--seconds", "1"];
    check(dir.path(), &keep, 0, &["log and store stay in kept"]);
    check(dir.path(), &keep, 2, &["--fresh removes it first"]);
    check(dir.path(), &[&keep[..], &["--fresh"]].concat(), 0, &["log and store stay in kept"]);
}

#[test]
fn days_are_exported_as_the_demo_would_show_them() {
    let dir = folder();
    let export = |days: &str| {
        check(dir.path(), &["demo", "--export", "x.parquet", "--days", days], 0, &["transactions of days"]);
        table(&dir.path().join("x.parquet"))
    };
    let (all, two) = (export("1-4"), export("3-4"));
    let (all, two) = (all.num_rows(), all.slice(all.num_rows() - two.num_rows(), two.num_rows()) == two);
    assert!(all > 4_000 && two, "days are the same however many are asked for");
    for wrong in ["0-3", "4-3", "x", "1-9999999"] {
        check(dir.path(), &["demo", "--export", "x.parquet", "--days", wrong], 2, &["are no days"]);
    }
}

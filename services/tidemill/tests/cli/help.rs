//! What helps at the command line: codes explained, and completions that a shell can use.

use std::process::Command;

use super::{check, folder, lines, tidemill};

#[test]
fn codes_are_explained() {
    let dir = folder();
    let said =
        check(dir.path(), &["explain", "tm0002"], 0, &["TM0002: unknown key", "cause", "example  delivry:", "remedy"]);
    assert_eq!(said.lines().count(), 5, "{said}");
    check(dir.path(), &["explain", "FIELD_NULL"], 0, &["A required field is null or missing.", "remedy"]);
    check(dir.path(), &["explain", "FIELD_NUL"], 2, &["there is no code `FIELD_NUL`; did you mean `FIELD_NULL`?"]);
    check(dir.path(), &["explain", "E1"], 2, &["`tidemill explain` lists all codes"]);
    let all = lines(&check(dir.path(), &["explain", "--output", "json"], 0, &[]))[0].clone();
    assert_eq!(all.as_array().map(Vec::len), Some(flow::config::CODES.len() + schemas::reject::Code::ALL.len()));
    check(dir.path(), &["explain"], 0, &["CODE", "TM0019", "OUTPUT_TOO_LARGE"]);
}

#[test]
fn bash_completes_commands_and_their_options() {
    let dir = folder();
    let script = dir.path().join("completions");
    std::fs::write(&script, tidemill(dir.path(), &["completions", "bash"]).stdout).expect("a script");
    let complete = |words: &[&str]| {
        let line = format!(
            "source '{}'; COMP_WORDS=({}); COMP_CWORD={}; _tidemill tidemill '{}' '{}'; echo \"${{COMPREPLY[@]}}\"",
            script.display(),
            words.join(" "),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        let output = Command::new("bash").args(["--norc", "-c", &line]).output().expect("bash runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(complete(&["tidemill", "led"]), "ledger");
    assert_eq!(complete(&["tidemill", "repartition", "--with"]), "--withdraw");
    check(dir.path(), &["completions", "tcsh"], 2, &["possible values", "bash", "zsh", "fish"]);
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = folder();
    check(dir.path(), &["man", "pages"], 0, &["man -l pages/tidemill.1"]);
    let page = |name: &str| std::fs::read_to_string(dir.path().join("pages").join(name)).expect("a page");
    assert!(page("tidemill.1").contains("tidemill\\-plan(1)"), "{}", page("tidemill.1"));
    assert!(page("tidemill-plan.1").contains("detailed\\-exitcode"));
    assert!(page("tidemill-model-promote.1").contains(".TH"));
}

//! What helps at the command line: codes explained, and completions that a shell can use.

use std::process::Command;

use tests::part::{Part, required};

use super::{check, folder, lines, tidemill};

#[test]
fn codes_are_explained() {
    let dir = folder();
    let said =
        check(dir.path(), &["explain", "tm0002"], 0, &["TM0002: unknown key", "cause", "example  delivry:", "remedy"]);
    assert_eq!(said.lines().count(), 5, "{said}");
    check(dir.path(), &["explain", "FIELD_NULL"], 0, &["A required field is null or missing.", "remedy"]);
    check(dir.path(), &["explain", "field_null"], 0, &["example  {\"order_id\": \"o-1\""]);
    check(dir.path(), &["explain", "FIELD_NUL"], 2, &["there is no code `FIELD_NUL`; did you mean `FIELD_NULL`?"]);
    check(dir.path(), &["explain", "E1"], 2, &["`tidemill explain` lists all codes"]);
    let all = lines(&check(dir.path(), &["explain", "--output", "json"], 0, &[]))[0].clone();
    assert_eq!(all.as_array().map(Vec::len), Some(flow::config::CODES.len() + schemas::reject::Code::ALL.len()));
    for one in all.as_array().into_iter().flatten() {
        let part = |name: &str| one[name].as_str().unwrap_or_default().len();
        assert!(part("cause") > 20 && part("example") > 5 && part("remedy") > 15, "{one}");
    }
    check(dir.path(), &["explain"], 0, &["CODE", "TM0019", "OUTPUT_TOO_LARGE"]);
}

/// Those that are JSON, judged by the pipeline that the page says.
#[test]
fn an_example_of_a_dead_letter_is_rejected_with_its_code() {
    let dir = folder();
    check(dir.path(), &["init", "mine"], 0, &[]);
    let mine = dir.path().join("mine");
    let yaml = std::fs::read_to_string(mine.join("pipeline.yaml")).expect("a pipeline");
    let declared = "    format: json\n    unknown_fields: reject\n    fields: { amount: { max: 1000 }, country: { enum: [DE, FR] } }\n    rules:";
    std::fs::write(mine.join("pipeline.yaml"), yaml.replacen("    rules:", declared, 1)).expect("a pipeline");
    let examples = schemas::reject::Code::ALL.iter().filter_map(|code| {
        let example = code.help()?.example.strip_prefix("`{")?.strip_suffix("}`")?;
        Some((code.as_str(), format!("{{{example}}}")))
    });
    let examples: Vec<(&str, String)> = examples.collect();
    assert!(examples.len() >= 10, "{examples:?}");
    let text: String = examples.iter().map(|(_, example)| format!("{example}\n")).collect();
    std::fs::write(mine.join("examples.jsonl"), text).expect("a file");
    let args = ["rules", "check", "examples.jsonl", "--examples", "99", "--output", "json"];
    let found = lines(&check(&mine, &args, 2, &[])).remove(0);
    for (line, (code, example)) in (1..).zip(&examples) {
        let at = format!("line {line}");
        let is_told = |one: &&serde_json::Value| {
            let places = one["examples"].as_array().into_iter().flatten();
            one["what"].as_str().is_some_and(|what| what.starts_with(code)) && { places }.any(|place| place["at"] == at)
        };
        let all = found["found"].as_array().expect("what was found");
        assert!(all.iter().any(|one| is_told(&one)), "{code}: {example} gives {found}");
    }
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

/// Bash runs its script above; the others read theirs, where they are installed.
#[test]
fn other_shells_take_their_scripts() {
    let dir = folder();
    for (shell, check) in [("zsh", "-n"), ("fish", "--no-execute")] {
        let script = dir.path().join(shell);
        std::fs::write(&script, tidemill(dir.path(), &["completions", shell]).stdout).expect("a script");
        let output = Command::new(shell).arg(check).arg(&script).output();
        let output = output.map_err(|error| format!("{shell}: {error}"));
        let Some(output) = required(Part::Shells, output) else { continue };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{shell}: {said}");
    }
}

/// What stands in them is compared with the command line by a test of `man` itself.
#[test]
fn manual_pages_are_written_and_read() {
    let dir = folder();
    check(dir.path(), &["man", "pages"], 0, &["man -l pages/tidemill.1"]);
    check(dir.path(), &["man", "pages"], 0, &[]);
    std::fs::write(dir.path().join("file"), "").expect("a file");
    check(dir.path(), &["man", "file"], 2, &["cannot write manual pages to file"]);
}

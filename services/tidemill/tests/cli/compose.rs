//! The containers' commands and environment, on plain processes: a real Kafka, registry and S3 server take the places of
//! those that `compose.yaml` names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::part::{Part, required};

use super::{Running, command, folder, lines, pages, shipped, text, transactions};

/// The pipeline's name here: topics of other tests begin with the shipped one's.
const NAME: &str = "composed";
/// Where the page finds the gateway.
const GATEWAY: &str = "127.0.0.1:7443";
/// Longest that the gateway may take to answer. A limit on hanging, no timing.
const ANSWER_S_MAX: u64 = 60;

fn folder_of_stack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../compose")
}

/// The stack with everything that it refers to put in.
fn stack() -> Value {
    let file = folder_of_stack().join("compose.yaml");
    let text = std::fs::read_to_string(file).expect("the stack");
    serde_saphyr::from_str(&text).expect("it is YAML")
}

/// Services that run our image, by name.
fn ours(stack: &Value) -> BTreeMap<&str, &Value> {
    let all = stack["services"].as_object().expect("services");
    let ours =
        all.iter().filter(|(_, service)| service["image"].as_str().is_some_and(|image| image.starts_with("tidemill:")));
    ours.map(|(name, service)| (name.as_str(), service)).collect()
}

fn arguments(service: &Value) -> Vec<&str> {
    service["command"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn every_service_is_there_and_has_no_more_rights_than_it_needs() {
    let stack = stack();
    let ours = ours(&stack);
    let mut run: Vec<&str> = ours.values().filter_map(|service| arguments(service).get(1).copied()).collect();
    run.sort_unstable();
    assert_eq!(run, ["archiver", "featurizer", "gateway", "monitor", "scorer", "trainer", "validator"]);
    for (name, service) in &ours {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        let user = service["user"].as_str().expect("a user");
        assert!(!user.starts_with("0:") && user != "root", "{name}: {user}");
        let ends = service["command"][0] == "apply";
        assert_eq!(service["healthcheck"].is_null(), ends, "{name}");
    }
    let built = ours.values().filter(|service| !service["build"].is_null()).count();
    assert_eq!(built, 1, "one of them builds the image, and others do not build it again");
    let all = stack["services"].as_object().expect("services");
    for (name, service) in all {
        let (_, tag) = service["image"].as_str().and_then(|image| image.rsplit_once(':')).expect("a pinned image");
        assert!(tag != "latest" && tag.contains('.'), "{name} is pinned to {tag}");
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().is_some_and(|port| port.starts_with("127.0.0.1:")), "{name} listens on {port}");
        }
    }
}

#[test]
fn whoever_waits_for_a_service_can_see_it_come_and_it_comes_back() {
    let stack = stack();
    let all = stack["services"].as_object().expect("services");
    let awaited = |condition: &'static str| {
        let waits = all.values().filter_map(|service| service["depends_on"].as_object()).flatten();
        waits.filter(move |(_, wait)| wait["condition"] == condition).map(|(name, _)| name.as_str())
    };
    let ending: Vec<&str> = awaited("service_completed_successfully").collect();
    let healthy: Vec<&str> = awaited("service_healthy").collect();
    for name in ["kafka", "registry", "s3"] {
        assert!(healthy.contains(&name), "nobody waits for {name}");
    }
    for name in healthy {
        assert!(!all[name]["healthcheck"].is_null(), "{name} is awaited and has no check");
    }
    for (name, service) in all {
        let comes_back = service["restart"] == "unless-stopped";
        assert_ne!(comes_back, ending.contains(&name.as_str()), "{name}: {}", service["restart"]);
    }
}

/// Files of Rust under a folder, but those of tests, which no image has.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_image_is_built_from_all_that_is_compiled_in() {
    let root = folder_of_stack().join("..").canonicalize().expect("the root");
    let text = std::fs::read_to_string(root.join(".dockerignore")).expect("what is not taken");
    let mut patterns = text.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(patterns.next(), Some("*"), "nothing is taken but what is named");
    let taken: Vec<PathBuf> = patterns.filter_map(|line| line.strip_prefix('!')).map(|path| root.join(path)).collect();
    let mut rust = Vec::new();
    let compiled = taken.iter().filter(|path| path.is_dir() && !path.ends_with("tests"));
    compiled.for_each(|folder| sources(folder, &mut rust));

    let mut outside = 0;
    for file in rust {
        let text = std::fs::read_to_string(&file).expect("source");
        for call in text.split("include_str!(\"").chain(text.split("include_bytes!(\"")) {
            let Some((path, _)) = call.split_once("\")") else { continue };
            let Ok(included) = file.with_file_name(path).canonicalize() else { continue };
            let is_taken = taken.iter().any(|taken| included.starts_with(taken));
            assert!(is_taken, "{} includes {}, which .dockerignore keeps out", file.display(), included.display());
            outside += usize::from(included.starts_with(root.join("docs")));
        }
    }
    assert!(outside > 0, "a page of docs/ is compiled in, and was not found");
}

/// Commands of the page by what they need: an engine for containers, which no test has; the script for secrets, which
/// the test below runs; and the gateway, which it asks.
#[test]
fn the_page_shows_no_command_that_could_be_run_and_is_not() {
    let page = std::fs::read_to_string(folder_of_stack().join("README.md")).expect("the page");
    let (engine, others): (Vec<_>, Vec<_>) = commands(&page)
        .into_iter()
        .partition(|line| line.starts_with("docker build ") || line.starts_with("docker compose "));
    assert!(!engine.is_empty() && page.contains("## What was tried"), "the page says how those were tried");
    let others: Vec<&str> = others.iter().map(|line| line.split(" #").next().unwrap_or_default().trim_end()).collect();
    let [script, question] = others[..] else { panic!("{others:?}") };
    assert!(script == "sh setup.sh" && question.starts_with("curl "), "{others:?}");
}

/// The commands of the page; one goes on behind a `\\`.
fn commands(page: &str) -> Vec<String> {
    let blocks = pages::blocks(page);
    let text: String = blocks.iter().filter(|block| block.info == "sh").map(pages::Block::text).collect();
    text.replace("\\\n", "").lines().map(str::to_owned).collect()
}

/// Asks the gateway as the page does, until it answers.
fn asked_as_shown(dir: &Path, gateway: &str) -> String {
    let page = std::fs::read_to_string(folder_of_stack().join("README.md")).expect("the page");
    let line = commands(&page).into_iter().find(|line| line.starts_with("curl ")).expect("the page asks the gateway");
    assert!(line.contains(GATEWAY), "{line}");
    let line = line.replace(GATEWAY, gateway).replacen("curl ", "curl --silent --show-error --fail ", 1);
    let mut answer = String::new();
    until(&line, || {
        answer = asked(dir, &line);
        !answer.is_empty()
    });
    answer
}

/// What of a container's environment is elsewhere here.
fn elsewhere(name: &str, value: &str, places: &BTreeMap<&str, String>) -> String {
    places.get(name).cloned().unwrap_or_else(|| value.to_owned())
}

#[test]
fn its_commands_and_environment_run_as_plain_processes() {
    let (Some(kafka), Some(registry), Some(s3)) =
        (tests::kafka::kafka(), tests::apicurio::Apicurio::start(), tests::s3::S3::start())
    else {
        return;
    };
    let dir = folder();
    let dir = dir.path();
    // The secrets, as the script makes them, with the program that is tested.
    std::fs::copy(folder_of_stack().join("setup.sh"), dir.join("setup.sh")).expect("a script");
    let made = |exit: i32| {
        let made = Command::new("sh")
            .arg("setup.sh")
            .current_dir(dir)
            .env("TIDEMILL", env!("CARGO_BIN_EXE_tidemill"))
            .output();
        let made = made.expect("a shell");
        assert_eq!(made.status.code(), Some(exit), "{}", text(&made.stderr));
    };
    made(0);
    made(1);
    let ordered = shipped()
        .replace("ordering: arrival", "ordering: event_time")
        .replace("pipeline: fraud", &format!("pipeline: {NAME}"));
    std::fs::write(dir.join("composed.yaml"), ordered.replace("fraud.", &format!("{NAME}."))).expect("a file");

    let mut places: BTreeMap<&str, String> = BTreeMap::new();
    places.insert("TIDEMILL_PIPELINE", "composed.yaml".into());
    places.insert("TIDEMILL_BROKERS", kafka.brokers().into());
    places.insert("TIDEMILL_SCHEMA_REGISTRY", registry.url().into());
    places.insert("TIDEMILL_STORE", s3.url("composed"));
    places.insert("TIDEMILL_TOKENS", "secrets/tokens.yaml".into());
    let settings = s3.settings();
    settings.iter().filter(|(name, _)| name.starts_with("AWS_")).for_each(|(name, value)| {
        let known = ["AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        places.extend(known.iter().find(|known| *known == name).map(|known| (*known, value.clone())));
    });

    let stack = stack();
    let ours = ours(&stack);
    // A private and a public door for each, where containers may all have the same.
    let doors: BTreeMap<&str, [String; 2]> =
        ours.keys().map(|name| (*name, [pages::free().to_string(), pages::free().to_string()])).collect();
    let process = |service: &str, arguments: &[&str]| {
        let mut process = command(dir, arguments);
        for (name, value) in ours[service]["environment"].as_object().expect("an environment") {
            process.env(name, elsewhere(name, value.as_str().expect("text"), &places));
        }
        let [private, public] = &doors[service];
        process.env("TIDEMILL_LISTEN", private).env("TIDEMILL_PUBLIC", public);
        // One place for the state of each, as containers have.
        process.env("TIDEMILL_DATA", dir.join(service)).env("TIDEMILL_IDLE_TIMEOUT", "500ms");
        process
    };
    let done = |service: &str, arguments: &[&str]| {
        let output = process(service, arguments).output().expect("the binary runs");
        assert!(output.status.success(), "{service} {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    done("apply", &arguments(ours["apply"]));
    let services = ours.iter().filter(|(name, _)| **name != "apply");
    let started = services.map(|(name, service)| {
        let child = process(name, &arguments(service)).stderr(Stdio::null()).spawn();
        (*name, Running(child.expect("the binary runs")))
    });
    let mut running: BTreeMap<&str, Running> = started.collect();
    let file = transactions(dir);
    done("apply", &["publish", file.to_str().expect("a path"), "--label-column", "TX_FRAUD"]);
    let features = done("apply", &["tap", "features.log", "--follow", "--from", "start", "--limit", "40"]);
    assert_eq!(lines(&features).len(), 40);
    let outcomes = done("apply", &["tap", "outcomes", "--follow", "--from", "start", "--limit", "40"]);
    assert_eq!(lines(&outcomes).len(), 40);
    let topics = asked_as_shown(dir, &doors["gateway"][1]);
    assert!(topics.contains(&format!("{NAME}.transactions.events.v1")), "{topics}");
    until("the bucket has the outcomes", || {
        done("apply", &["sql", "SELECT count(*) AS n FROM outcomes", "--output", "json"]).contains("{\"n\":40}")
    });
    assert_eq!(running.len(), 7);
    for (name, Running(child)) in &mut running {
        let check: Vec<&str> =
            ours[name]["healthcheck"]["test"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let ["CMD", "/usr/bin/tidemill", check @ ..] = &check[..] else { panic!("{name}: {check:?}") };
        // In a container there is but one process, at the usual port.
        let mut healthy = process(name, check);
        healthy.env("TIDEMILL_GATEWAY", &doors[name][0]);
        until(&format!("{name} is healthy"), || healthy.output().is_ok_and(|check| check.status.success()));
        let metrics = format!("http://{}/metrics", doors[name][1]);
        assert_eq!(asked(dir, &format!("curl --silent --output answer --write-out '%{{http_code}}' {metrics}")), "401");
        let collector = "--header \"Authorization: Bearer $(cat secrets/collector)\"";
        let told = asked(dir, &format!("curl --silent --fail {collector} {metrics}"));
        assert!(told.contains("tidemill_"), "{name}: {told}");
        assert!(child.try_wait().expect("a child").is_none(), "{name} ended");
    }
}

/// What a line of shell prints.
fn asked(dir: &Path, line: &str) -> String {
    text(&Command::new("sh").args(["-c", line]).current_dir(dir).output().expect("a shell").stdout)
}

/// Waits for something to be so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(ANSWER_S_MAX);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {ANSWER_S_MAX} s");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Where the client is: the file is as it should be, and says what is missing.
#[test]
fn the_client_takes_the_file() {
    let clients: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];
    let runs = |client: &&[&str]| {
        let mut version = Command::new(client[0]);
        version.args(&client[1..]).arg("version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    };
    let client = clients.iter().find(|client| runs(client)).ok_or_else(|| "it is not installed".to_owned());
    let Some(client) = required(Part::Compose, client) else { return };
    let dir = folder();
    for name in ["compose.yaml", "collector.yaml"] {
        std::fs::copy(folder_of_stack().join(name), dir.path().join(name)).expect("a file");
    }
    let config = |secret: Option<&str>| {
        let mut config = Command::new(client[0]);
        config.args(&client[1..]).args(["config", "--quiet"]).current_dir(dir.path()).env_remove("S3_SECRET");
        secret.iter().for_each(|secret| {
            config.env("S3_SECRET", secret);
        });
        config.output().expect("the client runs")
    };
    let output = config(Some("some"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&config(None).stderr);
    assert!(said.contains("run `sh setup.sh` first"), "{said}");
}

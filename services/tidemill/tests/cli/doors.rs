//! Tokens and the gateway's public door as a user sets them up.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Running, check, command, folder, lines, text, tidemill, wait_for};

/// A token of these roles, whose entry is added to the file of tokens.
fn token(dir: &Path, name: &str, roles: &str) -> String {
    let said = lines(&check(dir, &["token", name, "--role", roles, "--output", "json"], 0, &[]));
    let file = dir.join("tokens.yaml");
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    std::fs::write(&file, format!("{before}- {}\n", said[0]["entry"])).expect("a file");
    said[0]["token"].as_str().expect("a token").to_owned()
}

/// What a command from another machine says: its exit code and its texts.
fn from_afar(dir: &Path, gateway: &str, token: Option<&str>, args: &[&str]) -> (Option<i32>, String) {
    let mut asking: Command = command(dir, args);
    asking.env("TIDEMILL_GATEWAY", gateway).env("TIDEMILL_GATEWAY_CA", dir.join("chain.pem"));
    asking.env("TIDEMILL_DATA", dir.join("elsewhere"));
    if let Some(token) = token {
        asking.env("TIDEMILL_TOKEN", token);
    }
    let output = asking.output().expect("the binary runs");
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn holders_of_tokens_reach_a_gateway_from_afar() {
    let dir = folder();
    let dir = dir.path();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(dir.join("chain.pem"), made.cert.pem()).expect("a file");
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
    let (reader, operator) = (token(dir, "desk", "read"), token(dir, "ops", "read,operate"));

    let place = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let public = place.to_string();
    let tls = ["--tls-cert", "chain.pem", "--tls-key", "key.pem"];
    let doors = ["up", "--listen", "127.0.0.1:0", "--public", &public, "--tokens", "tokens.yaml"];
    let up = command(dir, &[&doors[..], &tls].concat()).stderr(Stdio::null()).spawn();
    let _up = Running(up.expect("the binary runs"));
    wait_for(&dir.join(".tidemill/gateway"));

    let gateway = format!("https://localhost:{}", place.port());
    let (exit, said) = from_afar(dir, &gateway, Some(&reader), &["topics"]);
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("fraud.transactions.events.v1"), "{said}");
    let (exit, said) = from_afar(dir, &gateway, None, &["topics"]);
    assert_ne!(exit, Some(0), "{said}");
    assert!(said.contains("this needs a token"), "{said}");
    let (exit, said) = from_afar(dir, &gateway, None, &["health"]);
    assert!(exit == Some(0) && said.contains("it is not ready: no champion"), "{said}");
    let (exit, said) = from_afar(dir, &gateway, None, &["health", "--ready"]);
    assert!(exit == Some(3) && said.contains("no champion"), "{said}");
    check(dir, &["health", "--gateway", "127.0.0.1:1"], 3, &["does not answer"]);
    let promote = ["model", "promote", "fraud"];
    let (exit, said) = from_afar(dir, &gateway, Some(&reader), &promote);
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("the token of `desk` is good for read, and this needs operate"), "{said}");
    let (_, said) = from_afar(dir, &gateway, Some(&operator), &promote);
    assert!(said.contains("nothing was published under that name"), "{said}");
}

#[test]
fn a_public_door_that_is_not_safe_is_not_opened() {
    let dir = folder();
    let dir = dir.path();
    let public = ["up", "--listen", "127.0.0.1:0", "--public", "127.0.0.1:0"];
    check(dir, &public, 2, &["--tokens"]);
    let with = |more: &[&'static str]| [&public[..], &["--tokens", "tokens.yaml"], more].concat();
    check(dir, &with(&["--plain-http"]), 2, &["cannot read the tokens in tokens.yaml"]);
    std::fs::write(dir.join("tokens.yaml"), "- { name: a, roles: [read], sha256: geheim }\n").expect("a file");
    check(dir, &with(&["--plain-http"]), 2, &["never write the token itself"]);
    check(dir, &with(&[]), 2, &["as plain text", "--tls-cert"]);
    check(dir, &with(&["--tls-cert", "chain.pem"]), 2, &["--tls-key"]);
    std::fs::write(dir.join("tokens.yaml"), format!("- {{ name: a, roles: [read], sha256: '{}' }}\n", "0f".repeat(32)))
        .expect("a file");
    check(dir, &with(&["--tls-cert", "chain.pem", "--tls-key", "key.pem"]), 2, &["chain.pem", "in PEM files"]);
    check(dir, &["token", "a", "--role", "raed"], 2, &["did you mean `read`?"]);
    check(dir, &["token", "a"], 2, &["--role"]);
    let shown = tidemill(dir, &["token", "an odd: name", "--role", "read"]);
    let shown = text(&shown.stdout);
    let (token, entry) = shown.split_once('\n').expect("two lines");
    assert!(token.starts_with("tidemill_"), "{token}");
    assert!(entry.starts_with(r#"- { name: "an odd: name", roles: [read], sha256: ""#), "{entry}");
}

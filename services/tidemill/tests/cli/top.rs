//! `top`: one picture for scripts, and a terminal that shows pictures until q and is then as it was.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Running, check, command, folder, lines, transactions, wait_for};

/// Longest that anything here may take. A limit on hanging, no timing.
const WAIT: Duration = Duration::from_secs(60);

fn up(dir: &Path) -> Running {
    let up = command(dir, &["up", "--listen", "127.0.0.1:0"]).stderr(Stdio::null()).spawn();
    let up = Running(up.expect("the binary runs"));
    wait_for(&dir.join(".tidemill/gateway"));
    up
}

fn service<'a>(told: &'a Value, name: &str) -> &'a Value {
    let services = told["services"].as_array().expect("services");
    services.iter().find(|one| one["service"] == name).unwrap_or_else(|| panic!("no {name} in {told}"))
}

#[test]
fn one_picture_tells_every_service() {
    let dir = folder();
    let dir = dir.path();
    check(
        dir,
        &["top", "--once", "--gateway", "127.0.0.1:1"],
        3,
        &["127.0.0.1:1", "name the gateways of running services"],
    );
    check(dir, &["top", "--interval", "1ms"], 2, &["`1ms` is too short"]);
    let up = up(dir);
    let csv = transactions(dir);
    check(dir, &["publish", csv.to_str().expect("a path"), "--label-column", "TX_FRAUD"], 0, &[]);
    let follow = ["tap", "features.log", "--follow", "--from", "start", "--limit", "40"];
    check(dir, &follow, 0, &[]);
    let once = ["top", "--once", "--interval", "300ms"];
    let deadline = Instant::now() + WAIT;
    loop {
        let told = lines(&check(dir, &[&once[..], &["--output", "json"]].concat(), 0, &[])).remove(0);
        let validator = service(&told, "validator");
        assert!(validator["partitions"].as_u64() > Some(0) && validator["restarts"] == 0, "{told}");
        assert!(
            ["featurizer.customer", "featurizer.journal", "scorer", "monitor.judge"]
                .iter()
                .all(|name| service(&told, name)["gateway"].is_string())
        );
        assert_eq!(service(&told, "archiver")["state"], "elsewhere", "it has no counters, only lag");
        assert_eq!(told["gateways"][0]["pipeline"], "fraud");
        assert!(told["gateways"][0]["champion"].is_null());
        // Everything published goes through, and then nobody is behind but those who wait for their time.
        if validator["lag"] == 0 && validator["state"] == "idle" && validator["in_per_s"] == 0.0 {
            break;
        }
        assert!(Instant::now() < deadline, "{told}");
    }
    check(
        dir,
        &once,
        0,
        &["SERVICE", "validator", "idle", "not ready: no champion", "model none; drift: no report yet"],
    );
    // Into a pipe goes one picture, asked for or not.
    check(dir, &["top", "--interval", "300ms"], 0, &["SERVICE"]);
    drop(up);
}

/// Both sides of a new terminal.
fn terminal() -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (0, 0);
    let size = libc::winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the call writes two descriptors, which nobody else has; no name and no mode are asked for or given.
    unsafe {
        let opened =
            libc::openpty(&raw mut ours, &raw mut theirs, std::ptr::null_mut(), std::ptr::null(), &raw const size);
        assert_eq!(opened, 0, "a terminal");
        (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    }
}

/// What the keys of a terminal do.
fn mode(terminal: &File) -> libc::tcflag_t {
    use std::os::fd::AsRawFd;
    let mut mode = std::mem::MaybeUninit::<libc::termios>::uninit();
    // SAFETY: the descriptor is open, and the structure is written before it is read.
    unsafe {
        assert_eq!(libc::tcgetattr(terminal.as_raw_fd(), mode.as_mut_ptr()), 0);
        mode.assume_init().c_lflag
    }
}

/// `top` in a terminal, and what it shows.
fn watching(dir: &Path, gateway: &str, theirs: &OwnedFd, ours: &File) -> (Child, Receiver<String>) {
    let side = || Stdio::from(theirs.try_clone().expect("a descriptor"));
    let top = command(dir, &["top", gateway, "--interval", "200ms"])
        .stdin(side())
        .stdout(side())
        .stderr(Stdio::null())
        .spawn();
    let mut shown = ours.try_clone().expect("a descriptor");
    let (pieces, seen) = channel();
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = shown.read(&mut piece) {
            if pieces.send(String::from_utf8_lossy(&piece[..count]).into_owned()).is_err() {
                return;
            }
        }
    });
    (top.expect("the binary runs"), seen)
}

/// Waits until all of this is on the screen, whatever came before.
fn wait_until(seen: &Receiver<String>, wanted: &[&str]) -> String {
    let (deadline, mut all) = (Instant::now() + WAIT, String::new());
    while !wanted.iter().all(|part| all.contains(part)) {
        let left = deadline.saturating_duration_since(Instant::now());
        all += &seen.recv_timeout(left).unwrap_or_else(|_| panic!("{wanted:?} is not shown: {all}"));
    }
    all
}

#[test]
fn a_terminal_shows_pictures_until_q_and_is_then_as_it_was() {
    let dir = folder();
    let dir = dir.path();
    let up = up(dir);
    let gateway = std::fs::read_to_string(dir.join(".tidemill/gateway")).expect("an address");
    let gateway = gateway.trim();
    let (mut ours, theirs) = terminal();
    let before = mode(&ours);
    let (mut top, seen) = watching(dir, gateway, &theirs, &ours);
    let shown = wait_until(&seen, &["SERVICE", "validator", "idle", "q ends this"]);
    assert!(shown.starts_with("\x1b[?1049h"), "on a screen of its own");
    assert_ne!(mode(&ours), before, "keys come one by one");
    drop(up);
    wait_until(&seen, &["gone: ", "validator"]);
    ours.write_all(b"xq").expect("keys");
    assert_eq!(top.wait().expect("it ends").code(), Some(0));
    wait_until(&seen, &["\x1b[?1049l"]);
    assert_eq!(mode(&ours), before);

    // Ctrl-C ends it as well.
    let (mut top, seen) = watching(dir, gateway, &theirs, &ours);
    wait_until(&seen, &["gone"]);
    let pid = i32::try_from(top.id()).expect("a pid");
    // SAFETY: the process is our child and was not waited for yet, so the number is still its.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    assert_eq!(top.wait().expect("it ends").code(), Some(130));
    assert_eq!(mode(&ours), before);
}

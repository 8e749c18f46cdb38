//! A real schema registry for tests: Apicurio on loopback, with the Confluent interface, gone with the test process.
//!
//! It comes from `tests/apicurio/install.sh`. It needs Java 21 and Maven.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use crate::part::{Part, required};
use crate::process::{Dir, Keeper, START_WAIT_MS, install};

/// Where the Confluent interface lies.
const BASE_PATH: &str = "/apis/ccompat/v7";

/// A running schema registry. Dropping it ends it and removes its data.
pub struct Apicurio {
    url: String,
    keeper: Option<Keeper>,
}

struct Installed {
    folder: PathBuf,
    java: PathBuf,
}

impl Apicurio {
    /// Starts a registry; `None` when this machine cannot have one.
    pub fn start() -> Option<Self> {
        let installed = required(Part::Apicurio, installed())?;
        match Self::start_from(installed) {
            Ok(running) => Some(running),
            Err(why) => panic!("the test schema registry did not start: {why}"),
        }
    }

    /// The base URL of its Confluent interface.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the registry as a crash would.
    pub fn stop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.stop();
        }
    }

    fn start_from(installed: Installed) -> Result<Self, String> {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let spawn = move |dir: &Dir| spawn(&installed, dir, port).map_err(|error| error.to_string());
        // Until the Confluent interface answers, not only until somebody listens.
        let keeper = Keeper::start(Dir::new("apicurio")?, spawn, move || answers(port).unwrap_or(false))?;
        Ok(Self { url: format!("http://127.0.0.1:{port}{BASE_PATH}"), keeper: Some(keeper) })
    }
}

impl Drop for Apicurio {
    fn drop(&mut self) {
        self.stop();
    }
}

fn installed() -> Result<Installed, String> {
    let text = install("apicurio/install.sh")?;
    match text.lines().collect::<Vec<_>>().as_slice() {
        [folder, java] => Ok(Installed { folder: folder.into(), java: java.into() }),
        _ => Err("the script printed no folder and java".to_owned()),
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn spawn(installed: &Installed, dir: &Dir, port: u16) -> io::Result<Child> {
    let mut command = Command::new(&installed.java);
    command
        .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dquarkus.http.host=127.0.0.1"])
        .arg(format!("-Dquarkus.http.port={port}"))
        // Without a word its second door is one port for all that run, on every address.
        .args(["-Dquarkus.management.host=127.0.0.1", "-Dquarkus.management.port=0"])
        .arg("-jar")
        .arg(installed.folder.join("quarkus-run.jar"));
    dir.spawn(&mut command)
}

fn answers(port: u16) -> io::Result<bool> {
    let wait = Duration::from_millis(START_WAIT_MS);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), wait)?;
    stream.set_read_timeout(Some(wait))?;
    write!(stream, "GET {BASE_PATH}/subjects HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

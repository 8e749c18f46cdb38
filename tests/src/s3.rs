//! A real S3 server for tests: Versity's gateway over a folder, on loopback, gone with the test process.
//!
//! It comes from `tests/s3/install.sh`. It needs Go.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use registry::store::{S3Settings, Store};

use crate::part::{Part, required};
use crate::process::{Dir, Keeper, install};

/// Longest wait for one knock at a starting server.
const KNOCK_MS: u64 = 50;
const KEY: &str = "tidemill-test";
const SECRET: &str = "of-no-use-elsewhere";
/// The one bucket.
const BUCKET: &str = "tests";

/// A running server. Dropping it ends it and removes its data.
pub struct S3 {
    endpoint: String,
    keeper: Mutex<Option<Keeper>>,
}

impl S3 {
    /// Starts a server; `None` when this machine cannot have one.
    pub fn start() -> Option<Self> {
        let program = required(Part::S3, install("s3/install.sh"))?;
        Some(Self::start_from(program).unwrap_or_else(|why| panic!("the test S3 server did not start: {why}")))
    }

    fn start_from(program: String) -> Result<Self, String> {
        let dir = Dir::new("s3")?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| format!("no free port: {error}"))?.port();
        let spawn = move |dir: &Dir| {
            let data = dir.path().join("data");
            fs::create_dir_all(data.join(BUCKET)).map_err(|error| format!("no folder for its bucket: {error}"))?;
            let listen = format!("127.0.0.1:{port}");
            let mut command = Command::new(&program);
            command.args(["--access", KEY, "--secret", SECRET, "--port", &listen, "posix"]).arg(&data);
            dir.spawn(&mut command).map_err(|error| error.to_string())
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listens = move || TcpStream::connect_timeout(&address, Duration::from_millis(KNOCK_MS)).is_ok();
        let keeper = Keeper::start(dir, spawn, listens)?;
        Ok(Self { endpoint: format!("http://127.0.0.1:{port}"), keeper: Mutex::new(Some(keeper)) })
    }

    /// URL of a store with this prefix.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// What a process needs in its environment to use it.
    pub fn settings(&self) -> S3Settings {
        let settings = [
            ("AWS_ENDPOINT_URL", &*self.endpoint),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", "us-east-1"),
        ];
        settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// A handle to a store with this prefix.
    pub fn store(&self, prefix: &str) -> Store {
        Store::s3(&self.url(prefix), &self.settings()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Ends the server as a crash would.
    pub fn stop(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.stop();
        }
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}

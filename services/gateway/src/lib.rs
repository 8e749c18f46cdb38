//! The gateway: HTTP for whoever does not speak Kafka, on this machine's loopback address, and on a public one for
//! holders of tokens. Events come in and are acknowledged once they are durable, or answered with their predictions;
//! topics go out decoded; promotions and retraining requests are written for command lines whose process does not own
//! the embedded log.
//!
//! It decides nothing: what is checked, promoted or counted here is what the services' own code checks and promotes.

mod answer;
mod body;
mod connections;
mod control;
pub mod decode;
mod guard;
mod health;
mod inference;
mod ingest;
mod limits;
mod listener;
pub mod metrics;
mod newest;
mod openapi;
mod operations;
mod predictions;
mod publisher;
mod raw;
mod retrain;
mod score;
mod server;
mod sources;
mod state;
mod tap;
#[cfg(test)]
mod tests;
pub mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use registry::decisions::Decisions;
use registry::models::Models;
use runtime::context::Context;
use runtime::shell::Stats;

pub use limits::Limits;
pub use listener::{Certificate, Listener};

/// Where the gateway listens when nothing else is said.
pub const LISTEN: &str = "127.0.0.1:7077";
/// Largest body of a request.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How a gateway is to run.
pub struct Options {
    /// Where it listens.
    pub listener: Listener,
    /// What it takes at once.
    pub limits: Limits,
    /// Control states.
    pub decisions: Decisions,
    /// The models that may be promoted.
    pub models: Models,
    /// Counters of the services in this process.
    pub stats: Vec<Arc<Stats>>,
    /// What the services of this process wait for, if they do. Events are taken meanwhile, and promotions refused.
    pub waiting: Option<String>,
    /// Set to end the gateway.
    pub stop: Arc<AtomicBool>,
}

/// Why a gateway cannot start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be read.
    #[error("`{listen}` is no address to listen on; write HOST:PORT, such as {LISTEN}")]
    Address {
        /// What was given.
        listen: String,
    },
    /// The address is reachable from outside.
    #[error(
        "the gateway serves programs of this machine without a token, so it does not listen on {address}; use {LISTEN}, and for others `--public {address} --tokens FILE`"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// A certificate or its key cannot be used.
    #[error("cannot use {path} for TLS: {detail}; give a certificate chain and its key in PEM files")]
    Certificate {
        /// The file.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The tokens cannot be used.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// The address cannot be had.
    #[error(
        "cannot listen on {address}: {source}; is another gateway running there? `--listen 127.0.0.1:0` takes a free port"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A topic has no schema, or another one than the pipeline wants.
    #[error("the schema of topic {topic} {detail}; run `tidemill apply` with this pipeline file")]
    Schema {
        /// The topic.
        topic: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The registry did not answer.
    #[error(transparent)]
    Registry(#[from] schemas::registry::Unavailable),
    /// The schema of a source cannot be looked up.
    #[error(transparent)]
    Context(#[from] runtime::context::Error),
    /// A source cannot be checked as declared.
    #[error(transparent)]
    Source(#[from] validation::source::Error),
    /// Threads or sockets failed.
    #[error("the gateway failed: {0}")]
    Io(#[from] std::io::Error),
    /// The metrics cannot be set up.
    #[error("cannot set up metrics: {detail}")]
    Metrics {
        /// What the library says.
        detail: String,
    },
    /// A thread panicked.
    #[error("a thread of the gateway panicked; please report it with the log above")]
    Panicked,
}

/// The gateway of one pipeline.
pub struct Gateway;

impl Gateway {
    /// Listens, and serves on a thread of its own until told to stop. Topics and schemas must have been applied.
    pub fn start(context: Context, options: Options) -> Result<Running, Error> {
        server::start(context, options)
    }
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Running {
    /// Where it listens, with the port it got.
    pub address: SocketAddr,
    /// Its thread; it ends after the stop flag is set, once what was accepted is published.
    pub join: JoinHandle<Result<(), Error>>,
}

impl Running {
    /// Waits until it ended.
    pub fn wait(self) -> Result<(), Error> {
        self.join.join().unwrap_or(Err(Error::Panicked))
    }
}

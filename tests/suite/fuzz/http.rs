//! Bodies of HTTP requests to the gateway: what is refused is the sender's fault and is told as JSON; the gateway itself
//! never fails.

use super::seeds::context;
use gateway::{Gateway, Listener, Options, Running};
use registry::decisions::Decisions;
use registry::models::Models;
use registry::store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub const WORDS: &[&str] = &[
    "\"transaction_id\":",
    "\"event_time\":",
    "\"customer_id\":",
    "\"amount\":",
    "null",
    "1e999",
    "-0.0",
    "[]",
    "{}",
    "\n",
    "\"key\":\"AAAA\"",
    "\"headers\":[[\"a\",null]]",
    "\"partition\":0",
    "\"model\":\"fraud\"",
    "\"version\":\"latest\"",
    "\"2026-01-01T00:00:00Z\"",
    "\\ud800",
    "true",
];
/// Paths with what a body for them is.
const PATHS: [(&str, &str); 6] = [
    ("/v1/sources/transactions/events", "application/json"),
    ("/v1/sources/transactions/events", "application/x-ndjson"),
    ("/v1/sources/chargebacks/events", "application/json"),
    ("/v1/publish/fraud.transactions.events.v1", "application/x-ndjson"),
    ("/v1/control/promote", "application/json"),
    ("/v1/retrain", "application/json"),
];

/// A gateway over a log in memory.
pub struct Target {
    running: Running,
    stop: Arc<AtomicBool>,
    agent: ureq::Agent,
}

impl Target {
    pub fn start() -> Self {
        let (context, stop) = (context(), Arc::new(AtomicBool::new(false)));
        let (decisions, models) = (Decisions::new(Store::memory()), Models::new(Store::memory()));
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let (limits, stats) = (gateway::Limits::USUAL, Vec::new());
        let options = Options { listener, limits, decisions, models, stats, waiting: None, stop: stop.clone() };
        let running = Gateway::start(context, options).unwrap();
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        Target { running, stop, agent }
    }

    /// The first byte says which path it is.
    pub fn answer(&self, bytes: &[u8]) -> String {
        let Some((which, body)) = bytes.split_first() else { return "nothing".to_owned() };
        let (path, kind) = PATHS[usize::from(*which) % PATHS.len()];
        let url = format!("http://{}{path}", self.running.address);
        let mut answer = self.agent.post(url).header("content-type", kind).send(body).unwrap();
        let (status, text) = (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap());
        assert!((200..500).contains(&status), "{status}: {text}");
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        let codes: Vec<_> = told["rejected"].as_array().into_iter().flatten().take(1).collect();
        let codes: Vec<_> = codes.iter().filter_map(|one| one["reasons"][0]["code"].as_str()).collect();
        assert_eq!(told["error"].is_string(), status >= 300, "{status}: {text}");
        format!("{path} {} {}", codes.concat(), told["error"].as_str().unwrap_or("fine"))
    }

    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.running.wait().unwrap();
    }
}

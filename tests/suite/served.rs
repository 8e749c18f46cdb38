//! A gateway over a pipeline of its own, for tests that speak HTTP with it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway::{Gateway, Limits, Listener, Options};
use registry::models::Models;
use registry::store::Store;
use runtime::embedded::Embedded;
use runtime::log::Log;
use runtime::shell::Stats;
use serde_json::{Value, json};
use tests::pipeline::{Deployment, fraud};

pub const EVENTS: &str = "/v1/sources/transactions/events";

/// A pipeline on an embedded log in a folder, with its gateway.
pub struct Served {
    pub deployment: Deployment,
    pub store: Store,
    pub stop: Arc<AtomicBool>,
    pub running: gateway::Running,
    pub agent: ureq::Agent,
}

/// The embedded log of a folder.
pub fn embedded(dir: &Path) -> Arc<dyn Log> {
    Arc::new(Embedded::open(dir.join("log")).unwrap())
}

impl Served {
    pub fn start(dir: &Path) -> Self {
        Self::of(dir, fraud(&[]))
    }

    /// Of another pipeline.
    pub fn of(dir: &Path, pipeline: flow::config::Pipeline) -> Self {
        Self::with(dir, pipeline, Listener::bind("127.0.0.1:0").unwrap())
    }

    /// Where the gateway listens as given.
    pub fn through(dir: &Path, listener: Listener) -> Self {
        Self::with(dir, fraud(&[]), listener)
    }

    /// With other limits.
    pub fn limited(dir: &Path, listener: Listener, limits: Limits) -> Self {
        Self::over(embedded(dir), dir, fraud(&[]), (listener, limits))
    }

    fn with(dir: &Path, pipeline: flow::config::Pipeline, listener: Listener) -> Self {
        Self::over(embedded(dir), dir, pipeline, (listener, Limits::USUAL))
    }

    /// Over any log, with its store in a folder.
    pub fn over(
        log: Arc<dyn Log>,
        dir: &Path,
        pipeline: flow::config::Pipeline,
        (listener, limits): (Listener, Limits),
    ) -> Self {
        let store = Store::local(&dir.join("store")).unwrap();
        let deployment = Deployment::new(log, store.clone(), pipeline);
        let stop = Arc::new(AtomicBool::new(false));
        let options = Options {
            listener,
            limits,
            decisions: deployment.decisions().clone(),
            models: Models::new(store.clone()),
            stats: vec![Arc::new(Stats::new("validator")), Arc::new(Stats::new("scorer"))],
            waiting: None,
            stop: stop.clone(),
        };
        let running = Gateway::start(deployment.context.clone(), options).unwrap();
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        Served { deployment, store, stop, running, agent }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address)
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        let mut answer = self.agent.get(self.url(path)).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    pub fn get_json(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.get(path);
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}")))
    }

    pub fn post(&self, path: &str, kind: &str, body: &str) -> (u16, Value) {
        let mut answer = self.agent.post(self.url(path)).header("content-type", kind).send(body).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"));
        (answer.status().as_u16(), value)
    }

    pub fn post_json(&self, path: &str, body: &Value) -> (u16, Value) {
        self.post(path, "application/json", &body.to_string())
    }

    /// The data of a tap's events, as they come; ends with the tap.
    pub fn tap(&self, topic: &str, query: &str) -> impl Iterator<Item = Value> + use<> {
        let answer = self.agent.get(self.url(&format!("/v1/topics/{topic}/tap?{query}"))).call().unwrap();
        assert_eq!(answer.status().as_u16(), 200, "tap of {topic}");
        let lines = BufReader::new(answer.into_body().into_reader()).lines().map(Result::unwrap);
        let data = lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned));
        data.take_while(|data| data != "{}").map(|data| serde_json::from_str(&data).unwrap())
    }

    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.running.wait().unwrap();
    }
}

pub fn transaction(id: i64) -> Value {
    json!({ "transaction_id": id, "event_time": "2018-06-22T16:14:18Z", "customer_id": 7, "terminal_id": 3, "amount": 64.5 })
}

/// The ids of transactions, sorted.
pub fn ids(rows: &[Value]) -> Vec<i64> {
    let mut ids: Vec<i64> = rows.iter().filter_map(|row| row["transaction_id"].as_i64()).collect();
    ids.sort_unstable();
    ids
}

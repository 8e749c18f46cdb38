//! A pipeline whose services run as processes, on a log that they have for themselves.

use crate::monitor::promote;
use registry::store::Store;
use runtime::embedded::Embedded;
use runtime::log::Log;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tests::kafka::Kafka;
use tests::pipeline::{Deployment, fraud, fraud_text};
use tests::service::{Place, State};

/// The services, in one process.
pub const SERVICES: &str = "validator featurizer scorer monitor";
/// How soon groups learn of a death.
const SESSION_TIMEOUT: &str = "session.timeout.ms=3000";

/// The pipeline, with a champion.
pub struct Processes {
    dir: tempfile::TempDir,
    pub kafka: Option<Kafka>,
    pub replaced: Vec<(&'static str, &'static str)>,
    arguments: &'static [&'static str],
}

/// What everybody may read of its results, each in one order.
#[derive(Debug, PartialEq)]
pub struct Published {
    pub predictions: Vec<String>,
    pub outcomes: Vec<String>,
    pub drift: Vec<String>,
}

impl Processes {
    /// The shipped pipeline with some of its text replaced, on Kafka or the embedded log, whose processes have these
    /// arguments.
    pub fn new(
        kafka: Option<Kafka>,
        replaced: &[(&'static str, &'static str)],
        arguments: &'static [&'static str],
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let processes = Processes { dir, kafka, replaced: replaced.to_vec(), arguments };
        std::fs::write(processes.path().join("pipeline.yaml"), fraud_text(replaced)).unwrap();
        promote(&processes.deployment(), &processes.store());
        processes
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn store(&self) -> Store {
        Store::local(&self.path().join("store")).unwrap()
    }

    /// The log, which on the embedded one no process may have at the same time.
    pub fn deployment(&self) -> Deployment {
        let log: Arc<dyn Log> = match &self.kafka {
            Some(kafka) => kafka.log(),
            None => Arc::new(Embedded::open(self.path().join("log")).unwrap()),
        };
        Deployment::new(log, self.store(), fraud(&self.replaced))
    }

    pub fn place(&self) -> Place {
        let brokers = self.kafka.as_ref().map(|kafka| kafka.brokers().to_owned());
        let of_kafka: &[&str] = if brokers.is_some() { &["--kafka", SESSION_TIMEOUT] } else { &[] };
        let arguments = self.arguments.iter().chain(of_kafka).map(|argument| (*argument).to_owned()).collect();
        Place { dir: self.path().to_owned(), brokers, arguments }
    }

    /// Runs everything until all is through.
    pub fn drain(&self) {
        self.place().start(SERVICES, &["--drain"], None).ended_well();
    }

    /// Calls the program.
    #[track_caller]
    pub fn call(&self, arguments: &[&str], code: i32, said: &[&str]) -> String {
        self.place().call(arguments, code, said)
    }

    /// A service that does not begin to work, and says why.
    #[track_caller]
    pub fn refuses(&self, service: &str, code: i32, said: &str) {
        let mut process = self.place().start(service, &[], None);
        match process.ended() {
            State::Ended(status) => assert_eq!(status.code(), Some(code), "{}", process.tail()),
            state => panic!("{service}: {state:?}"),
        }
        assert!(process.said().contains(said), "{}", process.tail());
    }
}

impl Published {
    pub fn of(deployment: &Deployment) -> Self {
        let names = &deployment.context.plan.names;
        let sorted = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        let all = |topic: &str| sorted(deployment.rows(topic).iter().map(Value::to_string).collect());
        // Whether the prediction was there before its label is a matter of time.
        let outcome = |row: &Value| format!("{} {} {}", row["event_id"], row["label"], row["known_time"]);
        Published {
            predictions: all(&names.predictions),
            outcomes: sorted(deployment.rows(&names.outcomes).iter().map(outcome).collect()),
            drift: all(&names.drift),
        }
    }
}

//! One thread owns one durable session. Requests wait in a bounded queue, go out together, and are answered after the
//! flush that made them durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::http::StatusCode;
use runtime::failpoint;
use runtime::log::{self, Log, Publish, Session, SessionOptions};
use tokio::sync::oneshot;
use tracing::warn;

use crate::answer::{Answer, Problem};

/// Requests that may wait; with the limit on bodies this bounds their memory.
pub(crate) const QUEUE_REQUESTS_MAX: usize = 64;
/// Records that one flush makes durable, unless a single request has more.
const BATCH_RECORDS_MAX: usize = 16_384;
/// Time between two looks at whether the gateway closed.
const LOOK_MS: u64 = 200;

struct Request {
    records: Vec<Publish>,
    done: oneshot::Sender<Result<(), String>>,
}

/// The way to the publisher's thread.
pub(crate) struct Publisher {
    queue: SyncSender<Request>,
}

impl Publisher {
    /// Starts the thread. It ends once `closed` is set and nothing waits any more.
    pub fn start(
        log: Arc<dyn Log>,
        client: String,
        closed: Arc<AtomicBool>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, requests) = sync_channel(QUEUE_REQUESTS_MAX);
        let work = move || Thread { log, client, session: None }.run(&requests, &closed);
        let thread = thread::Builder::new().name("gateway.publish".to_owned()).spawn(work)?;
        Ok((Self { queue }, thread))
    }

    /// Publishes records and returns once they are durable. A full queue refuses at once.
    pub async fn publish(&self, records: Vec<Publish>) -> Answer<()> {
        let (done, outcome) = oneshot::channel();
        match self.queue.try_send(Request { records, done }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(Problem::busy(format!("{QUEUE_REQUESTS_MAX} requests wait to be published already")));
            }
            Err(TrySendError::Disconnected(_)) => return Err(Problem::outside("the gateway is stopping")),
        }
        let failed = |error: String| {
            let help = "send the same request again: what was published already is recognised by its ids";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, error, help)
        };
        let outcome = outcome.await;
        outcome.unwrap_or_else(|_| Err("the publisher ended before it was done".to_owned())).map_err(failed)
    }
}

struct Thread {
    log: Arc<dyn Log>,
    client: String,
    session: Option<Box<dyn Session>>,
}

impl Thread {
    fn run(mut self, requests: &Receiver<Request>, closed: &AtomicBool) {
        loop {
            match requests.recv_timeout(Duration::from_millis(LOOK_MS)) {
                Ok(first) => self.batch(first, requests),
                Err(RecvTimeoutError::Timeout) if !closed.load(Ordering::Relaxed) => {}
                Err(_) => break,
            }
        }
        if let Some(Err(error)) = self.session.map(Session::close) {
            warn!(%error, "the gateway's session did not close cleanly; all that was acknowledged is durable");
        }
    }

    /// Publishes a request, and those that wait behind it.
    fn batch(&mut self, first: Request, requests: &Receiver<Request>) {
        let (mut records, mut waiting) = (first.records, vec![first.done]);
        while records.len() < BATCH_RECORDS_MAX
            && let Ok(next) = requests.try_recv()
        {
            records.extend(next.records);
            waiting.push(next.done);
        }
        let outcome = self.publish(records).map_err(|error| {
            // A session that failed has lost its footing; the next batch opens another.
            self.session = None;
            warn!(%error, requests = waiting.len(), "publishing failed");
            format!("the log did not take the records: {error}")
        });
        for done in waiting {
            // A caller that went away needs no answer.
            let _ = done.send(outcome.clone());
        }
    }

    fn publish(&mut self, records: Vec<Publish>) -> log::Result<()> {
        let session = match &mut self.session {
            Some(session) => session,
            none => {
                let options = SessionOptions { durable: true, ..SessionOptions::publisher(self.client.clone()) };
                none.insert(self.log.session(options)?)
            }
        };
        for record in records {
            session.publish(record)?;
        }
        session.flush()?;
        failpoint::pass(failpoint::INGESTED, &self.client);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

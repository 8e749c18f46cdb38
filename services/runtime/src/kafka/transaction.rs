//! Public records and offsets in one transaction per commit.
//!
//! Records are kept here until the commit, and the client gets them only within it. So a transaction is open for no
//! longer than a commit takes, and one that failed is simply done again: state is never rolled back.
//!
//! Whenever the fate of a transaction is not certain its producer is destroyed, and another one initialised under the
//! same id ends it one way or the other, and keeps late requests of the old one out. What the group committed then tells
//! which way it ended. A producer that had any trouble is replaced even if its commit was acknowledged: a request that
//! was sent twice could otherwise end the next transaction, which librdkafka's protocol cannot tell from this one.

use std::ffi::CStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings::{
    rd_kafka_begin_transaction, rd_kafka_commit_transaction, rd_kafka_consumer_group_metadata,
    rd_kafka_consumer_group_metadata_destroy, rd_kafka_error_code, rd_kafka_error_destroy, rd_kafka_error_is_fatal,
    rd_kafka_error_is_retriable, rd_kafka_error_string, rd_kafka_error_t, rd_kafka_init_transactions,
    rd_kafka_send_offsets_to_transaction,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use super::commit::offsets;
use super::context::ConsumerSide;
use super::publisher::{Publisher, check_size};
use super::{Cluster, committed, fault};
use crate::failpoint::{self, COMMITTED, SENT};
use crate::log::{Commit, Committed, Error, Publish, Result, SessionOptions};

/// How long one step of a transaction may take, and how long it is repeated while brokers ask for that.
const STEP_WAIT_MAX_MS: i32 = 30_000;
/// Pause before a step is repeated.
const REPEAT_MS: u64 = 20;
/// How often a transaction is tried before the session gives up.
const ATTEMPTS_MAX: u32 = 5;
/// A commit that takes this long counts as trouble, whatever the client says.
const SLOW: Duration = Duration::from_secs(5);

/// The group in whose name a transaction commits, and where it was before.
pub(super) struct Member<'a> {
    pub consumer: &'a BaseConsumer<ConsumerSide>,
    pub group: &'a str,
    pub commits: &'a [Commit],
    /// What the group had committed before, in the order of `commits`.
    pub previous: Vec<Option<Committed>>,
}

/// A session's transactions.
pub(super) struct Transactions {
    cluster: Arc<Cluster>,
    options: SessionOptions,
    /// Names the slot: whoever initialises a producer under it ends what the one before had open.
    id: String,
    publisher: Option<Publisher>,
    kept: Vec<Publish>,
}

/// How an attempt failed.
enum Failure {
    /// Another try would fail, too.
    Final(Error),
    /// It may have happened or not.
    Unclear(String),
}

/// What became of a transaction.
enum Fate {
    Committed,
    Aborted,
    /// Somebody else committed.
    Foreign,
}

impl Transactions {
    pub fn new(cluster: Arc<Cluster>, options: &SessionOptions, id: String) -> Self {
        Self { cluster, options: options.clone(), id, publisher: None, kept: Vec::new() }
    }

    /// Keeps a record for the next commit.
    pub fn keep(&mut self, record: Publish) -> Result<()> {
        check_size(&record)?;
        self.kept.push(record);
        Ok(())
    }

    /// Forgets what was not committed.
    pub fn forget(&mut self) {
        self.kept.clear();
    }

    /// Whether anything waits for a commit.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Takes over the slots of these ids, the first one to work with: transactions that their last holders left open are
    /// ended, so that what the group committed is final.
    pub fn take_over(&mut self, ids: Vec<String>) -> Result<()> {
        self.publisher = None;
        self.kept.clear();
        for id in ids.into_iter().rev() {
            self.id = id;
            self.publisher = Some(self.open()?);
        }
        Ok(())
    }

    fn open(&self) -> Result<Publisher> {
        let config = self.cluster.settings.transactional_producer(&self.options, &self.id);
        let publisher = Publisher::open(self.cluster.clone(), &config)?;
        // SAFETY: the client is alive; the error is taken over.
        step(|| unsafe { Refusal::take(rd_kafka_init_transactions(publisher.native(), STEP_WAIT_MAX_MS)) })
            .map_err(|refusal| refusal.error(&self.id))?;
        Ok(publisher)
    }

    /// Commits what was kept, with the offsets of a group's member if there is one.
    pub fn commit(&mut self, member: Option<&Member<'_>>) -> Result<()> {
        let mut attempts = 1;
        loop {
            let mut publisher = match self.publisher.take() {
                Some(publisher) => publisher,
                None => self.open()?,
            };
            let why = match self.attempt(&mut publisher, member) {
                Ok(is_smooth) => {
                    self.kept.clear();
                    self.publisher = is_smooth.then_some(publisher);
                    return Ok(());
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Unclear(why)) => why,
            };
            drop(publisher);
            let doing = || format!("a transaction of {}", self.id);
            let Some(member) = member else { return Err(Error::Unavailable { doing: doing(), detail: why }) };
            tracing::warn!(id = self.id, attempts, "the fate of a transaction is unclear: {why}");
            self.publisher = Some(self.open()?);
            match fate(member)? {
                Fate::Committed => {
                    self.kept.clear();
                    return Ok(());
                }
                Fate::Aborted if attempts < ATTEMPTS_MAX => attempts += 1,
                Fate::Aborted => return Err(Error::Unavailable { doing: doing(), detail: why }),
                Fate::Foreign => {
                    let detail = "the group's offsets are not those of this member".to_owned();
                    return Err(Error::Fenced { group: member.group.to_owned(), detail });
                }
            }
        }
    }

    /// One transaction; says whether its producer may go on.
    fn attempt(
        &mut self,
        publisher: &mut Publisher,
        member: Option<&Member<'_>>,
    ) -> std::result::Result<bool, Failure> {
        let (began, troubles) = (Instant::now(), publisher.troubles());
        let group = member.map_or(&*self.id, |member| member.group);
        let failed = |refusal: Refusal| refusal.failure(group);
        // SAFETY: the client is alive; the error is taken over.
        unsafe { Refusal::take(rd_kafka_begin_transaction(publisher.native())) }.map_err(failed)?;
        for record in &self.kept {
            publisher.publish(record).map_err(|error| undelivered(publisher, group, error))?;
        }
        if let Some(member) = member {
            send_offsets(publisher, member)?;
        }
        if failpoint::fails(SENT, &self.id) {
            return Err(Failure::Unclear("a test says so".into()));
        }
        // SAFETY: the client is alive; the error is taken over.
        step(|| unsafe { Refusal::take(rd_kafka_commit_transaction(publisher.native(), STEP_WAIT_MAX_MS)) })
            .map_err(failed)?;
        if failpoint::fails(COMMITTED, &self.id) {
            return Err(Failure::Unclear("a test says so".into()));
        }
        Ok(publisher.troubles() == troubles && began.elapsed() < SLOW)
    }
}

/// What an error of the producer means: most records may go out with another producer.
fn undelivered(publisher: &Publisher, group: &str, error: Error) -> Failure {
    match error {
        Error::Delivery { .. } if publisher.failure().is_some_and(fault::is_fencing) => {
            Failure::Final(Error::Fenced { group: group.to_owned(), detail: error.to_string() })
        }
        Error::Delivery { .. } | Error::Unavailable { .. } | Error::Refused { .. } => {
            Failure::Unclear(error.to_string())
        }
        _ => Failure::Final(error),
    }
}

/// Adds the offsets to the transaction, with the member's place in its group: only a living member's are taken.
fn send_offsets(publisher: &Publisher, member: &Member<'_>) -> std::result::Result<(), Failure> {
    let list = offsets(member.commits).map_err(Failure::Final)?;
    // SAFETY: both clients are alive; the metadata is destroyed after its only use, and the error is taken over.
    let sent = unsafe {
        let metadata = rd_kafka_consumer_group_metadata(member.consumer.client().native_ptr());
        if metadata.is_null() {
            let detail = "this member is in no generation".to_owned();
            return Err(Failure::Final(Error::Fenced { group: member.group.to_owned(), detail }));
        }
        let send = || rd_kafka_send_offsets_to_transaction(publisher.native(), list.ptr(), metadata, STEP_WAIT_MAX_MS);
        let sent = step(|| Refusal::take(send()));
        rd_kafka_consumer_group_metadata_destroy(metadata);
        sent
    };
    sent.map_err(|refusal| refusal.failure(member.group))
}

/// How a transaction ended, by what the group committed: pending offsets are waited for.
fn fate(member: &Member<'_>) -> Result<Fate> {
    let tps: Vec<_> = member.commits.iter().map(|commit| commit.tp.clone()).collect();
    let found = committed(member.consumer, member.group, &tps)?;
    let is_new = |(found, commit): (&Option<Committed>, &Commit)| {
        found.as_ref().is_some_and(|found| found.offset == commit.offset && found.metadata == commit.metadata)
    };
    let is_committed = found.iter().zip(member.commits).all(is_new);
    Ok(match (is_committed, found == member.previous) {
        (true, false) => Fate::Committed,
        (false, true) => Fate::Aborted,
        _ => Fate::Foreign,
    })
}

/// A step of a transaction, repeated as long as brokers ask for that.
fn step(mut call: impl FnMut() -> std::result::Result<(), Refusal>) -> std::result::Result<(), Refusal> {
    let deadline = Instant::now() + Duration::from_millis(STEP_WAIT_MAX_MS.unsigned_abs().into());
    loop {
        match call() {
            Err(refusal) if refusal.is_retriable && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(REPEAT_MS));
            }
            other => return other,
        }
    }
}

/// librdkafka's error of a transaction.
struct Refusal {
    code: RDKafkaErrorCode,
    is_retriable: bool,
    text: String,
}

impl Refusal {
    /// # Safety
    ///
    /// `error` is null or an error that nobody else destroys.
    unsafe fn take(error: *mut rd_kafka_error_t) -> std::result::Result<(), Self> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: the caller's promise; the text is copied before it goes.
        unsafe {
            let fatal = if rd_kafka_error_is_fatal(error) == 0 { "" } else { "fatal: " };
            let text = CStr::from_ptr(rd_kafka_error_string(error)).to_string_lossy();
            let refusal = Self {
                code: RDKafkaErrorCode::from(rd_kafka_error_code(error)),
                is_retriable: rd_kafka_error_is_retriable(error) != 0,
                text: format!("{fatal}{text}"),
            };
            rd_kafka_error_destroy(error);
            Err(refusal)
        }
    }

    fn failure(self, group: &str) -> Failure {
        match fault::is_fencing(self.code) {
            true => Failure::Final(Error::Fenced { group: group.to_owned(), detail: self.text }),
            false => Failure::Unclear(self.text),
        }
    }

    fn error(self, id: &str) -> Error {
        let doing = format!("initialising the transactions of {id}");
        match self.code {
            _ if self.is_retriable => Error::Unavailable { doing, detail: self.text },
            code if fault::is_unreachable(code) => Error::Unavailable { doing, detail: self.text },
            code if fault::is_fencing(code) => Error::Fenced { group: id.to_owned(), detail: self.text },
            _ => Error::Refused { doing, detail: self.text },
        }
    }
}

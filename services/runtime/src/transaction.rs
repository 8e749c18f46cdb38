//! What a session does to commit records and offsets in one transaction whose fate may become unclear. The same for the
//! real cluster and the simulated one, so that what is simulated is what runs.
//!
//! Records are kept here until the commit, and the client gets them only within it. So a transaction is open for no
//! longer than a commit takes, and one that failed is simply done again: state is never rolled back.
//!
//! Whenever the fate of a transaction is not certain its producer is destroyed, and another one initialised under the
//! same id ends it one way or the other, and keeps late requests of the old one out. What the group committed then tells
//! which way it ended. A producer that had any trouble is replaced even if its commit was acknowledged: a request that
//! was sent twice could otherwise end the next transaction, which librdkafka's protocol cannot tell from this one.

use flow::flaw::{Flaw, made};

use crate::log::{Commit, Committed, Error, Publish, Result, TopicPartition};

/// How often a transaction is tried before the session gives up.
const ATTEMPTS_MAX: u32 = 5;

/// The offsets of a transaction.
pub(crate) struct Offsets<'a> {
    pub group: &'a str,
    pub commits: &'a [Commit],
    /// What the group had committed before, in the order of `commits`.
    pub previous: Vec<Option<Committed>>,
}

/// How an attempt failed.
pub(crate) enum Failure {
    /// Another try would fail, too.
    Final(Error),
    /// It may have happened or not.
    Unclear(String),
}

/// A cluster, as transactions need it.
pub(crate) trait Coordinator {
    /// A producer in its place.
    type Producer;

    /// A producer under an id. Whoever had the id before can do nothing more, and what it left open is ended.
    fn open(&mut self, id: &str) -> Result<Self::Producer>;

    /// One transaction; says whether its producer may go on.
    fn attempt(
        &mut self,
        id: &str,
        producer: &mut Self::Producer,
        kept: &[Publish],
        offsets: Option<&Offsets<'_>>,
    ) -> std::result::Result<bool, Failure>;

    /// What the group committed; pending offsets are waited for.
    fn committed(&mut self, group: &str, tps: &[TopicPartition]) -> Result<Vec<Option<Committed>>>;
}

/// What became of a transaction.
enum Fate {
    Committed,
    Aborted,
    /// Somebody else committed.
    Foreign,
}

/// A session's transactions.
pub(crate) struct Transactions<P> {
    /// Names the slot: whoever initialises a producer under it ends what the one before had open.
    id: String,
    producer: Option<P>,
    kept: Vec<Publish>,
}

impl<P> Transactions<P> {
    pub fn new(id: String) -> Self {
        Self { id, producer: None, kept: Vec::new() }
    }

    /// Keeps a record for the next commit.
    pub fn keep(&mut self, record: Publish) {
        self.kept.push(record);
    }

    /// Forgets what was not committed.
    pub fn forget(&mut self) {
        if !made(Flaw::LostOutputsKept) {
            self.kept.clear();
        }
    }

    /// Whether anything waits for a commit.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Takes over the slots of these ids, the first one to work with: transactions that their last holders left open are
    /// ended, so that what the group committed is final.
    pub fn take_over(&mut self, cluster: &mut impl Coordinator<Producer = P>, ids: Vec<String>) -> Result<()> {
        self.producer = None;
        self.forget();
        for id in ids.into_iter().rev() {
            self.producer = Some(cluster.open(&id)?);
            self.id = id;
        }
        Ok(())
    }

    /// Commits what was kept, with the offsets of a group's member if there are any.
    pub fn commit(
        &mut self,
        cluster: &mut impl Coordinator<Producer = P>,
        offsets: Option<&Offsets<'_>>,
    ) -> Result<()> {
        let mut attempts = 1;
        loop {
            let mut producer = match self.producer.take() {
                Some(producer) => producer,
                None => cluster.open(&self.id)?,
            };
            let why = match cluster.attempt(&self.id, &mut producer, &self.kept, offsets) {
                Ok(is_smooth) => {
                    self.kept.clear();
                    self.producer = is_smooth.then_some(producer);
                    return Ok(());
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Unclear(why)) => why,
            };
            let doing = || format!("a transaction of {}", self.id);
            let Some(offsets) = offsets else { return Err(Error::Unavailable { doing: doing(), detail: why }) };
            tracing::warn!(id = self.id, attempts, "the fate of a transaction is unclear: {why}");
            if made(Flaw::AbortSkipped) {
                self.producer = Some(producer);
            } else {
                drop(producer);
                self.producer = Some(cluster.open(&self.id)?);
            }
            match fate(cluster, offsets)? {
                Fate::Committed => {
                    self.kept.clear();
                    return Ok(());
                }
                Fate::Aborted if attempts < ATTEMPTS_MAX => attempts += 1,
                Fate::Aborted => return Err(Error::Unavailable { doing: doing(), detail: why }),
                Fate::Foreign => {
                    let detail = "the group's offsets are not those of this member".to_owned();
                    return Err(Error::Fenced { group: offsets.group.to_owned(), detail });
                }
            }
            if made(Flaw::AbortedOutputsDropped) {
                self.kept.clear();
            }
        }
    }
}

/// How a transaction ended, by what the group committed.
fn fate(cluster: &mut impl Coordinator, offsets: &Offsets<'_>) -> Result<Fate> {
    if made(Flaw::UnknownIsAborted) {
        return Ok(Fate::Aborted);
    }
    if made(Flaw::UnknownIsCommitted) {
        return Ok(Fate::Committed);
    }
    let tps: Vec<_> = offsets.commits.iter().map(|commit| commit.tp.clone()).collect();
    let found = cluster.committed(offsets.group, &tps)?;
    let is_new = |(found, commit): (&Option<Committed>, &Commit)| {
        found.as_ref().is_some_and(|found| found.offset == commit.offset && found.metadata == commit.metadata)
    };
    let is_committed = found.iter().zip(offsets.commits).all(is_new);
    Ok(match (is_committed, found == offsets.previous) {
        (true, false) => Fate::Committed,
        (false, true) => Fate::Aborted,
        _ => Fate::Foreign,
    })
}

/// The transactional ids of a member: one per partition that it owns, so no two living members have one in common, and
/// the next owner of a partition ends what the last one left open. It works with the first.
pub(crate) fn slots(group: &str, partitions: &[TopicPartition]) -> Vec<String> {
    let mut partitions: Vec<&TopicPartition> = partitions.iter().collect();
    partitions.sort_unstable();
    partitions.into_iter().map(|tp| format!("{group}.{}.{}", tp.topic, tp.partition)).collect()
}

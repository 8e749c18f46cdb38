//! The rules of the bucket in hand: those its first opener had, whoever that was.

use std::sync::Arc;

use flow::processor::Stop;

use crate::checks::Checks;
use crate::rules::{RuleSet, Rulebook};
use crate::source::Source;
use crate::verdict::Verdicts;

/// Finds the rules of buckets.
pub struct Opened {
    book: Arc<Rulebook>,
    partition: u16,
    open: Option<(i64, Arc<Checks>)>,
}

impl Opened {
    /// Rules of one source partition's buckets, from this book where it has them.
    pub fn new(book: Arc<Rulebook>, partition: u16) -> Self {
        Opened { book, partition, open: None }
    }

    /// The source whose rules these are.
    pub fn source(&self) -> &Arc<Source> {
        self.book.source()
    }

    /// The rules of a bucket; opens it with our own if nobody did before.
    pub fn rules(&mut self, bucket: i64, verdicts: &dyn Verdicts) -> Result<Arc<Checks>, Stop> {
        if let Some((open, checks)) = &self.open
            && *open == bucket
        {
            return Ok(checks.clone());
        }
        let version = verdicts.rules(self.source().topic(), self.partition, bucket, self.book.current())?;
        let checks = self.version(&version, &format!("bucket {bucket} was opened"), verdicts)?;
        self.open = Some((bucket, checks.clone()));
        Ok(checks)
    }

    /// The version that this process would open a bucket with.
    pub fn current(&self) -> &str {
        self.book.current()
    }

    /// The rules of a version. `what` was done with them, in words.
    pub fn version(&mut self, version: &str, what: &str, verdicts: &dyn Verdicts) -> Result<Arc<Checks>, Stop> {
        match self.book.checks(version) {
            Some(checks) => Ok(checks),
            None => self.stored(version, what, verdicts),
        }
    }

    /// Rules that another process stored before it did anything with them.
    fn stored(&mut self, version: &str, what: &str, verdicts: &dyn Verdicts) -> Result<Arc<Checks>, Stop> {
        let topic = self.source().topic().clone();
        let refused = |why: String| {
            let place = format!("{topic}/{}", self.partition);
            Stop::Other(format!("{place}: {what} with rules {version}, and {why}"))
        };
        let Some(text) = verdicts.rule_set(&topic, version)? else {
            return Err(refused("nobody stored them; run the release and the pipeline file that opened it".into()));
        };
        let rules = RuleSet::parse(&text).map_err(|error| refused(error.to_string()))?;
        if rules.version() != version {
            return Err(refused("what is stored under that name is not the same; restore it".into()));
        }
        let mut book = (*self.book).clone();
        let checks = book.add(&rules).map_err(|error| refused(error.to_string()))?;
        self.book = Arc::new(book);
        Ok(checks)
    }
}

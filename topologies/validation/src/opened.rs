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
        let checks = match self.book.checks(&version) {
            Some(checks) => checks,
            None => self.stored(bucket, &version, verdicts)?,
        };
        self.open = Some((bucket, checks.clone()));
        Ok(checks)
    }

    /// Rules that another process stored before it opened a bucket with them.
    fn stored(&mut self, bucket: i64, version: &str, verdicts: &dyn Verdicts) -> Result<Arc<Checks>, Stop> {
        let topic = self.source().topic().clone();
        let refused = |why: String| {
            let place = format!("{topic}/{}", self.partition);
            Stop::Other(format!("{place}: bucket {bucket} was opened with rules {version}, and {why}"))
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

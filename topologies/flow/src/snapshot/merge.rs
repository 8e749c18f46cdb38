//! Runs of entries put together. A run is sorted by part and key and has each key once; of entries with one key that of the
//! newest run counts. Runs come in pieces, and of each no more is in memory than one of them.

use super::notes::{read, sorted};
use super::{Changes, Damaged, Entry, Error, State, entry_hash};
use bytes::Bytes;
use std::cmp::Ordering;

/// Bytes of a key that are looked at first.
const PREFIX_BYTES: usize = 8;

/// A run.
pub trait Run {
    /// Why a piece cannot be had.
    type Error: From<Error>;

    /// The next piece, see [`Changes`]; none at the end.
    fn next(&mut self) -> Result<Option<Bytes>, Self::Error>;
}

/// Number and sum of the entries of a state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// How many.
    pub entries: u64,
    /// Sum of their hashes.
    pub sum: u128,
}

impl Total {
    /// Whether the entries are those that were cut; their sum says it.
    pub fn verify(&self, expected: u128) -> Result<(), Error> {
        let found = self.sum;
        if found == expected { Ok(()) } else { Err(Error::Sum { found, expected }) }
    }

    fn count(&mut self, entry: &Entry<'_>) {
        if let Some(value) = entry.value {
            self.entries += 1;
            self.sum = self.sum.wrapping_add(u128::from(entry_hash(entry.part, entry.key, value)));
        }
    }
}

/// Entries of all runs in order.
#[derive(Debug)]
pub struct Merging<R> {
    /// The oldest first.
    cursors: Vec<Cursor<R>>,
    /// Those that stand at the entry given last.
    given: Vec<usize>,
    total: Total,
}

impl<R: Run> Merging<R> {
    /// Puts runs together, the oldest first.
    pub fn new(runs: impl IntoIterator<Item = R>) -> Result<Self, R::Error> {
        let cursors = runs.into_iter().map(Cursor::new).collect::<Result<_, _>>()?;
        Ok(Merging { cursors, given: Vec::new(), total: Total::default() })
    }

    /// The next entry, those that are gone included.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, R::Error> {
        let Merging { cursors, given, total } = self;
        given.drain(..).try_for_each(|at| cursors[at].advance())?;
        for (at, cursor) in cursors.iter().enumerate().filter(|(_, cursor)| cursor.stands.is_some()) {
            let order = given.first().map_or(Ok(Ordering::Less), |first| cursor.order(&cursors[*first]));
            match order.map_err(failed::<R>)? {
                Ordering::Greater => continue,
                Ordering::Less => given.clear(),
                Ordering::Equal => {}
            }
            given.push(at);
        }
        let Some(newest) = given.last() else { return Ok(None) };
        let entry = cursors[*newest].entry().map_err(failed::<R>)?;
        total.count(&entry);
        Ok(Some(entry))
    }

    /// Gives each entry that is there; then number and sum of them.
    pub fn each<E: From<R::Error>>(mut self, mut each: impl FnMut(&Entry<'_>) -> Result<(), E>) -> Result<Total, E> {
        while let Some(entry) = self.next_entry()? {
            if entry.value.is_some() {
                each(&entry)?;
            }
        }
        Ok(self.total)
    }

    /// Number and sum of the entries given so far that are there.
    pub fn total(&self) -> Total {
        self.total
    }
}

fn failed<R: Run>(damaged: Damaged) -> R::Error {
    Error::Damaged(damaged).into()
}

/// Where a run is read.
#[derive(Debug)]
struct Cursor<R> {
    run: R,
    piece: Bytes,
    /// Where in the piece the entry begins at which it stands, and where the next one.
    from: usize,
    to: usize,
    /// Part and first bytes of the key of that entry; none at the end.
    stands: Option<(u8, [u8; PREFIX_BYTES])>,
}

impl<R: Run> Cursor<R> {
    fn new(run: R) -> Result<Self, R::Error> {
        let mut cursor = Cursor { run, piece: Bytes::new(), from: 0, to: 0, stands: None };
        cursor.advance()?;
        Ok(cursor)
    }

    /// Goes on to the next entry, which must be behind the one before.
    fn advance(&mut self) -> Result<(), R::Error> {
        let (mut piece, mut from) = (None, self.to);
        while from == piece.as_ref().unwrap_or(&self.piece).len() {
            let Some(next) = self.run.next()? else {
                (self.piece, self.from, self.to, self.stands) = (Bytes::new(), 0, 0, None);
                return Ok(());
            };
            (piece, from) = (Some(next), 0);
        }
        let bytes = piece.as_ref().unwrap_or(&self.piece);
        let mut to = from;
        let entry = read(bytes, &mut to).map_err(failed::<R>)?;
        if self.stands.is_some() {
            let before = self.entry().map_err(failed::<R>)?;
            if (before.part, before.key) >= (entry.part, entry.key) {
                return Err(failed::<R>(Damaged { at: from, what: "an entry that is not behind the one before" }));
            }
        }
        let mut prefix = [0; PREFIX_BYTES];
        let length = entry.key.len().min(PREFIX_BYTES);
        prefix[..length].copy_from_slice(&entry.key[..length]);
        self.stands = Some((entry.part, prefix));
        (self.from, self.to) = (from, to);
        self.piece = piece.unwrap_or(std::mem::take(&mut self.piece));
        Ok(())
    }

    /// The entry at which it stands.
    fn entry(&self) -> Result<Entry<'_>, Damaged> {
        read(&self.piece, &mut self.from.clone())
    }

    fn order(&self, other: &Self) -> Result<Ordering, Damaged> {
        match self.stands.cmp(&other.stands) {
            Ordering::Equal => Ok(self.entry()?.key.cmp(other.entry()?.key)),
            order => Ok(order),
        }
    }
}

/// Changes of cuts put together in memory.
#[derive(Debug, Default)]
pub struct Merged {
    runs: Vec<Bytes>,
}

impl Merged {
    /// Applies the changes of a later cut.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let mut run = Changes::default();
        sorted(bytes)?.iter().for_each(|entry| run.push(entry));
        self.runs.push(run.bytes.into());
        Ok(())
    }

    /// Gives the entries there are.
    pub fn each(&self, mut each: impl FnMut(&Entry<'_>)) -> Result<Total, Error> {
        self.merging()?.each(|entry| {
            each(entry);
            Ok(())
        })
    }

    /// Whether the entries are those that were cut; their sum says it.
    pub fn verify(&self, expected: u128) -> Result<(), Error> {
        self.each(|_| {})?.verify(expected)
    }

    /// Hands entries and blob to a task that has handled nothing; gives the offset to read from.
    pub fn restore(&self, blob: &str, state: &mut dyn State) -> Result<i64, Error> {
        self.merging()?.each(|entry| state.load(entry))?;
        state.resume(blob)
    }

    fn merging(&self) -> Result<Merging<Whole>, Error> {
        Merging::new(self.runs.iter().map(|run| Whole(Some(run.clone()))))
    }
}

/// A run in one piece.
#[derive(Debug)]
struct Whole(Option<Bytes>);

impl Run for Whole {
    type Error = Error;

    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        Ok(self.0.take())
    }
}

#[cfg(test)]
mod tests;

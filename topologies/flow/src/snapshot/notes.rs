//! Changes of entries as bytes, in the order in which they happened.
//!
//! ```text
//! changes := { part:u8 key:(varint, bytes) length + 1:varint value:bytes }     length + 1 = 0: the entry is gone
//! ```

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bits of a varint's byte that count.
const VARINT_BITS: u32 = 7;

/// An entry, or that it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Which of the task's tables it is in.
    pub part: u8,
    /// Its key there.
    pub key: &'a [u8],
    /// Its value; none when the entry is gone.
    pub value: Option<&'a [u8]>,
}

/// Bytes that are no changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("changes are damaged at byte {at}: {what}")]
pub struct Damaged {
    /// Position.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// What changed between two cuts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The entries, see [`entries`].
    pub bytes: Vec<u8>,
    /// How many there are.
    pub count: u64,
    /// Sum of the hashes of all entries of the state at the cut.
    pub sum: u128,
}

impl Changes {
    /// The changes of another part of the same state.
    pub fn and(mut self, other: &Changes) -> Changes {
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
        self
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: &Entry<'_>) {
        self.bytes.push(entry.part);
        write_varint(entry.key.len() as u64, &mut self.bytes);
        self.bytes.extend_from_slice(entry.key);
        write_varint(entry.value.map_or(0, |value| value.len() as u64 + 1), &mut self.bytes);
        self.bytes.extend_from_slice(entry.value.unwrap_or_default());
        self.count += 1;
    }
}

/// Hash of an entry.
pub fn entry_hash(part: u8, key: &[u8], value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64(key) ^ u64::from(part).rotate_right(8))
}

/// Takes down what changes, while it is on.
#[derive(Debug, Default)]
pub struct Notes {
    on: bool,
    /// Since the last cut; the sum goes on over all cuts.
    fresh: Changes,
    /// Before the last cut, while it is being collected.
    cut: Changes,
}

impl Notes {
    /// Begins to take notes.
    pub fn track(&mut self) {
        self.on = true;
    }

    /// Whether notes are taken.
    #[inline]
    pub fn on(&self) -> bool {
        self.on
    }

    /// Bytes noted since the last cut.
    pub fn bytes(&self) -> usize {
        self.fresh.bytes.len()
    }

    /// Counts an entry that was restored.
    pub fn loaded(&mut self, hash: u64) {
        self.fresh.sum = self.fresh.sum.wrapping_add(u128::from(hash));
    }

    /// Notes that an entry came, changed or went; `before` is the hash it had, 0 when there was none. Gives the new one.
    pub fn note(&mut self, entry: &Entry<'_>, before: u64) -> u64 {
        self.fresh.push(entry);
        count(&mut self.fresh.sum, entry, before)
    }

    /// Ends what belongs to the cut; what is noted from now on belongs to the next one.
    pub fn cut(&mut self) {
        let bytes = std::mem::take(&mut self.fresh.bytes);
        self.cut = Changes { bytes, count: std::mem::take(&mut self.fresh.count), sum: self.fresh.sum };
    }

    /// Notes how an entry was at the cut.
    pub fn note_cut(&mut self, entry: &Entry<'_>, before: u64) -> u64 {
        self.cut.push(entry);
        count(&mut self.fresh.sum, entry, before);
        count(&mut self.cut.sum, entry, before)
    }

    /// The changes before the cut, once they are all there.
    pub fn take(&mut self) -> Changes {
        std::mem::take(&mut self.cut)
    }
}

fn count(sum: &mut u128, entry: &Entry<'_>, before: u64) -> u64 {
    let after = entry.value.map_or(0, |value| entry_hash(entry.part, entry.key, value));
    *sum = sum.wrapping_sub(u128::from(before)).wrapping_add(u128::from(after));
    after
}

/// Reads changes; after damage nothing more comes.
pub fn entries(bytes: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, Damaged>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let entry = read(bytes, &mut at);
        if entry.is_err() {
            at = bytes.len();
        }
        Some(entry)
    })
}

/// Each entry as it was left, by part and key: what a run of [`Merging`](super::Merging) has.
pub fn sorted(bytes: &[u8]) -> Result<Vec<Entry<'_>>, Damaged> {
    let mut sorted = entries(bytes).collect::<Result<Vec<_>, _>>()?;
    sorted.sort_by(|left, right| (left.part, left.key).cmp(&(right.part, right.key)));
    sorted.dedup_by(|later, earlier| {
        let is_same = (later.part, later.key) == (earlier.part, earlier.key);
        if is_same {
            *earlier = *later;
        }
        is_same
    });
    Ok(sorted)
}

/// The entry that begins at a place; the place moves behind it.
pub(super) fn read<'a>(bytes: &'a [u8], at: &mut usize) -> Result<Entry<'a>, Damaged> {
    let part = take(bytes, at, 1)?[0];
    let length = read_varint(bytes, at)?;
    let key = take(bytes, at, length)?;
    let value = match read_varint(bytes, at)?.checked_sub(1) {
        Some(length) => Some(take(bytes, at, length)?),
        None => None,
    };
    Ok(Entry { part, key, value })
}

fn take<'a>(bytes: &'a [u8], at: &mut usize, length: u64) -> Result<&'a [u8], Damaged> {
    let rest = &bytes[*at..];
    let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
    let taken = taken.ok_or(Damaged { at: *at, what: "cut off in the middle of an entry" })?;
    *at += taken.len();
    Ok(taken)
}

fn read_varint(bytes: &[u8], at: &mut usize) -> Result<u64, Damaged> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(VARINT_BITS as usize) {
        let byte = take(bytes, at, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Damaged { at: *at, what: "a number without an end" })
}

fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= VARINT_BITS;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn entry(key: &'static str, value: Option<&'static str>) -> Entry<'static> {
        Entry { part: 1, key: key.as_bytes(), value: value.map(str::as_bytes) }
    }

    #[test]
    fn sum_is_that_of_the_entries_whatever_the_way_there() {
        let mut notes = Notes::default();
        let first = notes.note(&entry("a", Some("1")), 0);
        let gone = notes.note(&entry("b", Some("")), 0);
        notes.cut();
        notes.note(&entry("a", Some("2")), first);
        notes.note_cut(&entry("c", Some("3")), 0);
        let cut = notes.take();
        assert_eq!((cut.count, cut.sum), (3, sum(&[("a", "1"), ("b", ""), ("c", "3")])));
        notes.note(&entry("b", None), gone);
        notes.cut();
        let next = notes.take();
        assert_eq!((next.count, next.sum), (2, sum(&[("a", "2"), ("c", "3")])));
        let mut all = BTreeMap::new();
        let bytes = cut.and(&next).bytes;
        for entry in entries(&bytes).map(Result::unwrap) {
            all.insert(entry.key, entry.value);
        }
        let expected: [(&[u8], Option<&[u8]>); 3] = [(b"a", Some(b"2")), (b"b", None), (b"c", Some(b"3"))];
        assert_eq!(all.into_iter().collect::<Vec<_>>(), expected);
    }

    fn sum(entries: &[(&str, &str)]) -> u128 {
        entries.iter().map(|(key, value)| u128::from(entry_hash(1, key.as_bytes(), value.as_bytes()))).sum()
    }

    #[test]
    fn damaged_bytes_are_an_error_and_no_panic() {
        let mut changes = Changes::default();
        changes.push(&entry("key", Some("value")));
        for length in 1..changes.bytes.len() {
            assert!(entries(&changes.bytes[..length]).any(|entry| entry.is_err()), "cut at {length}");
        }
        for seed in 0..4_096_u64 {
            let noise: Vec<u8> =
                (0..seed % 32).map(|at| xxh3_64(&[seed as u8, (seed >> 8) as u8, at as u8]) as u8).collect();
            let _ = entries(&noise).count();
        }
        let endless = [&[1, 1, b'k'][..], &[0xff; 12]].concat();
        assert!(entries(&endless).any(|entry| entry.is_err()));
    }
}

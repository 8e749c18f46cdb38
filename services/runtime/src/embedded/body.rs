//! The body of a run: its records, one behind the other.
//!
//! A record is the lengths of key and value, the number of headers, the bytes of both, and per header a name and a value,
//! each with its length. Headers repeat themselves from record to record; a name or value that is that of the header at
//! the same place of the record before is a length alone. All integers are little-endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::log::{Header, Headers, Publish, Record};

/// Length that stands for null.
const NULL: u32 = u32::MAX;
/// Length that stands for what the record before has there.
const SAME: u32 = u32::MAX - 1;
/// Lengths of key and value, and the number of headers.
pub(super) const RECORD_HEADER_BYTES: usize = 10;
/// Lengths of a header's name and value.
const HEADER_LENGTHS_BYTES: usize = 8;

/// A body in the making.
#[derive(Default)]
pub(super) struct Body {
    bytes: BytesMut,
    count: u32,
    /// Where the names and values of the last record's headers lie.
    last: Vec<[Place; 2]>,
}

/// Bytes of the body; null has no place.
type Place = Option<(usize, usize)>;

impl Body {
    /// An empty body that writes into a buffer.
    pub fn new(bytes: BytesMut) -> Self {
        Body { bytes, count: 0, last: Vec::new() }
    }

    /// How many records it has.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The finished body.
    pub fn finish(self) -> Bytes {
        self.bytes.freeze()
    }

    /// Appends a record.
    pub fn push(&mut self, record: &Publish) {
        let headers = HEADER_LENGTHS_BYTES * record.headers.len();
        self.bytes.reserve(record.size_bytes() + RECORD_HEADER_BYTES + headers);
        self.bytes.put_u32_le(length(record.key.as_ref()));
        self.bytes.put_u32_le(length(record.value.as_ref()));
        self.bytes.put_u16_le(record.headers.len() as u16);
        for bytes in [&record.key, &record.value].into_iter().flatten() {
            self.bytes.extend_from_slice(bytes);
        }
        self.last.truncate(record.headers.len());
        for (at, header) in record.headers.iter().enumerate() {
            let before = self.last.get(at).copied();
            let name = self.part(Some(header.name.as_bytes()), before.map(|[name, _]| name));
            let value = self.part(header.value.as_deref(), before.map(|[_, value]| value));
            match self.last.get_mut(at) {
                Some(place) => *place = [name, value],
                None => self.last.push([name, value]),
            }
        }
        self.count += 1;
    }

    fn part(&mut self, part: Option<&[u8]>, before: Option<Place>) -> Place {
        if let Some(before) = before
            && before.map(|(from, to)| &self.bytes[from..to]) == part
        {
            self.bytes.put_u32_le(SAME);
            return before;
        }
        let Some(part) = part else {
            self.bytes.put_u32_le(NULL);
            return None;
        };
        self.bytes.put_u32_le(part.len() as u32);
        let from = self.bytes.len();
        self.bytes.extend_from_slice(part);
        Some((from, self.bytes.len()))
    }
}

fn length(bytes: Option<&Bytes>) -> u32 {
    bytes.map_or(NULL, |bytes| bytes.len() as u32)
}

/// Reads the records of a run, without copying keys and values. Records below `from` are passed over.
pub(super) fn records(body: Bytes, base: i64, count: u32, append_time_ms: i64, from: i64) -> RunRecords {
    let mut records = RunRecords { body, offset: base, left: count, append_time_ms, last: Headers::new() };
    while records.offset < from && records.next().is_some() {}
    records
}

/// The records of a run; see [`records`].
pub(super) struct RunRecords {
    body: Bytes,
    offset: i64,
    left: u32,
    append_time_ms: i64,
    last: Headers,
}

impl RunRecords {
    /// Offset of the record that comes next.
    pub fn next_offset(&self) -> i64 {
        self.offset
    }

    /// Offset behind the last one.
    pub fn end(&self) -> i64 {
        self.offset + i64::from(self.left)
    }

    /// How many are left.
    pub fn len(&self) -> usize {
        self.left as usize
    }

    /// Their bytes.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    fn take(&mut self, len: u32) -> Option<Option<Bytes>> {
        if len == NULL {
            return Some(None);
        }
        (len as usize <= self.body.len()).then(|| Some(self.body.split_to(len as usize)))
    }

    fn record(&mut self) -> Option<Record> {
        let mut fixed = self.body.get(..RECORD_HEADER_BYTES)?;
        let (key, value, count) = (fixed.get_u32_le(), fixed.get_u32_le(), fixed.get_u16_le());
        self.body.advance(RECORD_HEADER_BYTES);
        let (key, value) = (self.take(key)?, self.take(value)?);
        self.last.truncate(count.into());
        for at in 0..usize::from(count) {
            self.header(at)?;
        }
        let headers = self.last.clone();
        Some(Record { offset: self.offset, append_time_ms: self.append_time_ms, key, value, headers })
    }

    fn header(&mut self, at: usize) -> Option<()> {
        let len = self.body.try_get_u32_le().ok()?;
        if len != SAME {
            let name = String::from_utf8(self.take(len)??.to_vec()).ok()?.into();
            match self.last.get_mut(at) {
                Some(header) => header.name = name,
                None => self.last.push(Header { name, value: None }),
            }
        }
        let len = self.body.try_get_u32_le().ok()?;
        if len != SAME {
            self.last.get_mut(at)?.value = self.take(len)?;
        }
        Some(())
    }
}

impl Iterator for RunRecords {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.left == 0 {
            return None;
        }
        let record = self.record()?;
        self.offset += 1;
        self.left -= 1;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(key: &str, headers: &[(&'static str, Option<&str>)]) -> Publish {
        let value = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let header =
            |&(name, text): &(&'static str, Option<&str>)| Header { name: name.into(), value: text.map(value) };
        Publish { headers: headers.iter().map(header).collect(), ..Publish::keyed("t".into(), value(key), value("v")) }
    }

    #[test]
    fn headers_that_repeat_come_back_in_every_record() {
        let all = [
            published("a", &[("type", Some("x")), ("id", Some("1")), ("none", None)]),
            published("b", &[("type", Some("x")), ("id", Some("2")), ("none", None)]),
            published("c", &[]),
            published("d", &[("type", Some("x"))]),
            published("e", &[("id", Some("x")), ("id", Some("")), ("none", None)]),
            published("f", &[("id", None), ("id", Some("")), ("none", Some(""))]),
        ];
        let mut body = Body::default();
        all.iter().for_each(|record| body.push(record));
        assert_eq!(body.count(), 6);
        let bytes = body.finish();
        for from in 0..all.len() {
            let read: Vec<Record> = records(bytes.clone(), 0, 6, 0, from as i64).collect();
            assert_eq!(read.len(), all.len() - from);
            for (record, wanted) in read.iter().zip(&all[from..]) {
                assert_eq!((&record.key, &record.headers), (&wanted.key, &wanted.headers), "from {from}");
            }
        }
    }

    #[test]
    fn a_repeated_header_costs_its_lengths_alone() {
        let record = published("a", &[("a-rather-long-name", Some("a-rather-long-value"))]);
        let mut body = Body::default();
        body.push(&record);
        let first = body.bytes.len();
        body.push(&record);
        assert_eq!(body.bytes.len() - first, RECORD_HEADER_BYTES + 2 + HEADER_LENGTHS_BYTES);
    }
}

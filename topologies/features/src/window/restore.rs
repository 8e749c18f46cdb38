//! State back from bytes.

use super::plan::SERIES;
use super::snapshot::{LAYOUT_BYTES, VERSION, layout};
use super::{Engine, GROUPS, Key};

/// Why a snapshot was refused. The engine is then as it was, but for the groups read before the fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A version this build does not read.
    #[error("snapshot has version {0}, this build reads version {VERSION}; recompute from the log")]
    Version(u8),
    /// State of other windows, columns or retention.
    #[error("snapshot belongs to another feature set; recompute from the log")]
    Layout,
    /// A group that is there already.
    #[error("key group {0} has state already; drop it before restoring")]
    Occupied(usize),
    /// Bytes missing.
    #[error("snapshot ends at byte {0} in the middle of a value; it was cut off")]
    Truncated(usize),
    /// Bytes that cannot be ours.
    #[error("snapshot is damaged at byte {at}: {what}")]
    Damaged {
        /// Position.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
}

impl Engine {
    /// Adds the groups of a snapshot that [`snapshot`](Engine::snapshot) or
    /// [`snapshot_group`](Engine::snapshot_group) wrote.
    ///
    /// # Errors
    ///
    /// Another version or layout, groups that have state already, bytes that are cut off or damaged.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::new(bytes);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        if reader.take(LAYOUT_BYTES)? != layout(&self.plan) {
            return Err(Error::Layout);
        }
        for _ in 0..reader.varint()? {
            let group = usize::from(reader.byte()?);
            if self.touched(group) {
                return Err(Error::Occupied(group));
            }
            self.clocks_us[group] = reader.number()?;
            for _ in 0..reader.varint()? {
                self.read_key(group, &mut reader)?;
            }
        }
        if reader.at == bytes.len() { Ok(()) } else { Err(reader.damaged("bytes after the last group")) }
    }

    fn read_key(&mut self, group: usize, reader: &mut Reader<'_>) -> Result<(), Error> {
        let hash = reader.number()? as u64;
        let length = reader.varint()? as usize;
        let text = reader.take(length)?;
        let text = std::str::from_utf8(text).map_err(|_| reader.damaged("a key that is not UTF-8"))?;
        let key = Key { hash, text };
        debug_assert!(group < GROUPS);
        if super::keys::group_of(hash) != group || self.states.keys.find(key).is_some() {
            return Err(reader.damaged("a key that does not belong here"));
        }
        let id = self.read_state(key, reader)?;
        self.count_restored(id);
        Ok(())
    }

    /// The state of a key that is not there, as [`write_value`](Engine::write_value) wrote it; gives the key's number.
    pub(super) fn read_value(&mut self, key: Key<'_>, bytes: &[u8]) -> Result<u32, Error> {
        let mut reader = Reader::new(bytes);
        let id = self.read_state(key, &mut reader)?;
        if reader.at == bytes.len() { Ok(id) } else { Err(reader.damaged("bytes after the key")) }
    }

    fn read_state(&mut self, key: Key<'_>, reader: &mut Reader<'_>) -> Result<u32, Error> {
        let now_us = reader.number()?;
        let id = self.states.add(&self.plan, key);
        self.states.keys.heads[id as usize].now_us = now_us;
        let read = self.read_series(id, now_us, reader);
        self.states.recount(&self.plan, id, 0);
        read.map(|()| id)
    }

    fn read_series(&mut self, id: u32, now_us: i64, reader: &mut Reader<'_>) -> Result<(), Error> {
        for series in (0..SERIES).filter(|series| self.plan.keeps(*series)) {
            let mut view = self.states.view(&self.plan, id, series);
            let stride = view.series.stride;
            let begin = view.ring.end();
            let mut time_us: Option<i64> = None;
            for _ in 0..reader.varint()? {
                let age = reader.varint()?;
                let next_us = match time_us {
                    None => Some(now_us.wrapping_sub(age as i64)),
                    Some(time_us) => time_us.checked_add_unsigned(age),
                };
                let Some(next_us) = next_us else {
                    return Err(reader.damaged("a time beyond the end of time"));
                };
                view.append(next_us, std::iter::empty());
                time_us = Some(next_us);
            }
            for column in 0..view.series.columns.len() {
                for offset in 0..view.ring.len() {
                    let word = reader.number()? as u64;
                    view.ring.entry_mut(begin.wrapping_add(offset), stride)[1 + column] = word;
                }
            }
            let upper_us = now_us.saturating_sub(self.plan.delay_us);
            view.raise(upper_us);
            view.evict(upper_us);
        }
        Ok(())
    }
}

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let taken = self.bytes[self.at..].get(..length).ok_or(Error::Truncated(self.bytes.len()))?;
        self.at += length;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?[0])
    }

    pub fn number(&mut self) -> Result<i64, Error> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(i64::from_le_bytes(bytes))
    }

    pub fn varint(&mut self) -> Result<u64, Error> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.damaged("a number without an end"))
    }

    fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged { at: self.at, what }
    }
}

//! The state as bytes. Equal states give equal bytes, whatever rows, batches and restarts led to them.
//!
//! ```text
//! snapshot := version:u8 layout:8 bytes, groups:varint { group }     groups ascending
//! group    := number:u8 clock_us:i64 keys:varint { key }             keys by text
//! key      := hash:u64 text:(varint, bytes) now_us:i64 { series }    events, labels, as far as kept
//! series   := entries:varint { age:varint } { word:u64 }             times oldest first, then column by column
//! ```
//!
//! Fixed numbers are little-endian, varints LEB128. The first age counts back from `now_us`, each further one forward
//! from the time before it. Only what was applied is written; windows, sums and chains follow from it. Expired keys are
//! left out, swept or not.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::keys::{Head, group_of};
use super::plan::{Plan, SERIES};
use super::restore::Error;
use super::{Engine, GROUPS, Key};
use crate::spec::Limits;

/// First byte of a snapshot.
pub(super) const VERSION: u8 = 1;
/// Keys of a group in the order of their texts.
type Members = BTreeMap<(String, u64), Vec<u8>>;
/// Bytes that identify a layout.
pub(super) const LAYOUT_BYTES: usize = 8;

impl Engine {
    /// Appends the state of all key groups.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        self.write_groups(None, out);
    }

    /// Appends the state of one key group, for handing it over. Walks all keys.
    ///
    /// # Panics
    ///
    /// When `group` is not below [`GROUPS`].
    pub fn snapshot_group(&self, group: usize, out: &mut Vec<u8>) {
        assert!(group < GROUPS, "key group {group} is not below {GROUPS}");
        self.write_groups(Some(group), out);
    }

    /// SHA-256 of the snapshot, in lower-case hex: equal digests mean equal state.
    pub fn digest(&self) -> String {
        let mut bytes = Vec::new();
        self.snapshot(&mut bytes);
        Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Forgets a key group, after it was handed over. Walks all keys.
    pub fn drop_group(&mut self, group: usize) {
        for id in 0..self.states.keys.heads.len() {
            let head = &self.states.keys.heads[id];
            if head.live() && head.group() == group {
                self.forget(id as u32);
            }
        }
        self.clocks_us[group] = i64::MIN;
        self.drop_stored(group);
    }

    /// Whether rows of a group have left anything: its clock, or a key with labels alone.
    pub(super) fn touched(&self, group: usize) -> bool {
        self.clocks_us[group] != i64::MIN || !self.members()[group].is_empty()
    }

    /// Keys by group, text and hash, those left out that have expired, each with its value.
    fn members(&self) -> Vec<Members> {
        let mut members = vec![Members::new(); GROUPS];
        let walked = self.each_entry(&mut |name, value| {
            let Ok((hash, text)) = read_name(name) else { return };
            let group = group_of(hash);
            if now_of(value) > self.clocks_us[group].saturating_sub(self.plan.keep_us) {
                members[group].insert((text.to_owned(), hash), value.to_vec());
            }
        });
        debug_assert!(walked.is_ok(), "{walked:?}");
        members
    }

    /// Writes one group, or all that rows have touched.
    fn write_groups(&self, only: Option<usize>, out: &mut Vec<u8>) {
        let members = self.members();
        let is_touched = |group: &usize| self.clocks_us[*group] != i64::MIN || !members[*group].is_empty();
        let groups: Vec<usize> = match only {
            Some(group) => vec![group],
            None => (0..GROUPS).filter(is_touched).collect(),
        };
        out.push(VERSION);
        out.extend_from_slice(&layout(&self.plan));
        write_varint(groups.len() as u64, out);
        for group in groups {
            out.push(group as u8);
            out.extend_from_slice(&self.clocks_us[group].to_le_bytes());
            write_varint(members[group].len() as u64, out);
            for ((text, hash), value) in &members[group] {
                out.extend_from_slice(&hash.to_le_bytes());
                write_varint(text.len() as u64, out);
                out.extend_from_slice(text.as_bytes());
                out.extend_from_slice(value);
            }
        }
    }

    /// The part of a key behind its name.
    pub(super) fn write_value(&self, head: &Head, out: &mut Vec<u8>) {
        out.extend_from_slice(&head.now_us.to_le_bytes());
        for series in (0..SERIES).filter(|series| self.plan.keeps(*series)) {
            let (ring, layout) = (&head.rings[series], &self.plan.series[series]);
            let sequence = || (0..ring.len()).map(|offset| ring.begin().wrapping_add(offset));
            write_varint(u64::from(ring.len()), out);
            let mut before_us = None;
            for seq in sequence() {
                let time_us = ring.time_us(seq, layout.stride);
                let age = match before_us {
                    None => head.now_us.wrapping_sub(time_us),
                    Some(before_us) => time_us.wrapping_sub(before_us),
                };
                write_varint(age as u64, out);
                before_us = Some(time_us);
            }
            for column in 0..layout.columns.len() {
                for seq in sequence() {
                    out.extend_from_slice(&ring.entry(seq, layout.stride)[1 + column].to_le_bytes());
                }
            }
        }
    }
}

/// Identifies what the plan stores and when it forgets: state of another layout is refused.
pub(super) fn layout(plan: &Plan) -> [u8; LAYOUT_BYTES] {
    let mut hasher = Sha256::new();
    let mut add = |number: i64| hasher.update(number.to_le_bytes());
    add(plan.delay_us);
    add(plan.keep_us);
    plan.windows_us.iter().for_each(|length_us| add(*length_us));
    for series in &plan.series {
        add(-1);
        add(series.stride as i64);
        for stored in series.columns.iter().map(|column| column.stored) {
            add(stored.input.map_or(-1, |input| input as i64));
            // What was not to be chosen once does not stand here unless it is chosen.
            if stored.punctual {
                add(-2);
            }
        }
    }
    if let Some(Limits { keys_max, bytes_max, .. }) = plan.limits {
        [keys_max, bytes_max].into_iter().for_each(|limit| add(limit.map_or(-1, u64::cast_signed)));
    }
    let mut layout = [0; LAYOUT_BYTES];
    layout.copy_from_slice(&hasher.finalize()[..LAYOUT_BYTES]);
    layout
}

impl Head {
    /// What names a key among the entries of a task: hash and text.
    pub(super) fn write_name(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.hash.to_le_bytes());
        out.extend_from_slice(self.text());
    }
}

impl Key<'_> {
    /// The same of a key that is not in memory.
    pub(super) fn write_name(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.hash.to_le_bytes());
        out.extend_from_slice(self.text.as_bytes());
    }
}

/// The greatest time among a key's rows, from its value.
pub(super) fn now_of(value: &[u8]) -> i64 {
    value.first_chunk().map_or(i64::MIN, |bytes| i64::from_le_bytes(*bytes))
}

/// Hash and text of a key from its name.
pub(super) fn read_name(name: &[u8]) -> Result<(u64, &str), Error> {
    let (hash, text) = name.split_first_chunk().ok_or(Error::Truncated(name.len()))?;
    let text = std::str::from_utf8(text).map_err(|_| Error::Damaged { at: 8, what: "a key that is not UTF-8" })?;
    Ok((u64::from_le_bytes(*hash), text))
}

pub(super) fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

//! Task state as it travels in an offset commit's metadata: one versioned blob, compact JSON, at most
//! [`INLINE_CHARS_MAX`] characters inline.

use crate::ledger::SavedSums;
use crate::names::Names;
use crate::reader::{Reader, Trigger};
use crate::snapshot::taken;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Longest blob carried inline. Kafka refuses metadata of 4,096 characters.
pub const INLINE_CHARS_MAX: usize = 3_000;

/// Version of the blob's layout.
pub const VERSION: u32 = 1;

/// What is counted beside the ledger, cumulative since the task's first record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asides {
    /// Items behind the watermark when they came, applied at once.
    #[serde(default)]
    pub behind: u64,
    /// Copies of an event that disagree with the first.
    #[serde(default)]
    pub conflict: u64,
    /// Sketches taken (judges of monitors).
    #[serde(default)]
    pub sketches: u64,
    /// Keys that an entity's limits pushed out, with all that was known of them (stages).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evicted_keys: u64,
    /// Events and labels that they took from keys that stayed (stages).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evicted_entries: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Asides {
    fn is_none(&self) -> bool {
        *self == Asides::default()
    }
}

/// The last item taken from a parent: topic, partition, number, trigger.
pub type Taken = (String, u16, i64, Trigger);

/// Commit metadata of a task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskState {
    /// Layout version.
    pub v: u32,
    /// Digest of the code-relevant configuration; a task refuses state of a foreign one.
    pub digest: String,
    /// Numbers emitted so far, by target topic and partition.
    pub out: BTreeMap<String, Vec<i64>>,
    /// Numbers taken so far, by parent.
    #[serde(default, rename = "in")]
    pub taken: Vec<Taken>,
    /// The fence in force; -1 before the first.
    pub fence: i64,
    /// Greatest event time seen, microseconds since the epoch (validators).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// The mark written last, kept apart from `max` (validators).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<i64>,
    /// What is counted beside the ledger.
    #[serde(default, skip_serializing_if = "Asides::is_none")]
    pub asides: Asides,
    /// What was counted for the ledger in the newest buckets of source offsets (validators).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sums: Vec<SavedSums>,
    /// Schema ids this partition has accepted (validators).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<u32>,
    /// SHA-256 of the whole blob where this is only its [`head`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<String>,
    /// Where the shell keeps the whole blob of a task that has no other state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Pointer>,
    /// The newest snapshot, which the shell adds: see [`with_pointer`]. It stays last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Pointer>,
}

/// Where a snapshot of the state is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// Its position, at or below the committed offset.
    pub position: i64,
    /// SHA-256 of its manifest.
    pub digest: String,
}

/// What a commit carries of a blob: all of it, or its head where it is longer than [`INLINE_CHARS_MAX`].
pub fn inline(text: String) -> String {
    if text.len() <= INLINE_CHARS_MAX { text } else { head(&text, None) }
}

/// What stands for a blob that is too long: fence and digests. The numbers are found again by restoring the task, and
/// compared by the digest of the whole; or they are where the blob is kept.
pub fn head(text: &str, kept: Option<Pointer>) -> String {
    let state: TaskState = serde_json::from_str(text).unwrap_or_default();
    let whole = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    TaskState { fence: state.fence, whole: Some(whole), kept, ..TaskState::new(&state.digest) }.text()
}

/// The digest of the whole blob and where that is kept, if the text is only a [`head`].
pub fn headed(text: &str) -> Option<(String, Option<Pointer>)> {
    let state: TaskState = serde_json::from_str(text).ok()?;
    Some((state.whole?, state.kept))
}

/// What stands before a pointer in a blob's text. No name in the text has a quotation mark.
const POINTER_KEY: &str = ",\"snapshot\":";

/// A blob's text with a pointer added at its end.
pub fn with_pointer(text: &str, pointer: &Pointer) -> String {
    let pointer = serde_json::to_string(pointer).unwrap_or_default();
    format!("{}{POINTER_KEY}{pointer}}}", text.strip_suffix('}').unwrap_or(text))
}

/// A blob's text without its pointer, and the pointer.
pub fn split_pointer(text: &str) -> (String, Option<Pointer>) {
    let split = || {
        let (before, after) = text.rsplit_once(POINTER_KEY)?;
        let pointer = serde_json::from_str(after.strip_suffix('}')?).ok()?;
        Some((format!("{before}}}"), Some(pointer)))
    };
    split().unwrap_or_else(|| (text.to_owned(), None))
}

/// Why metadata is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not our blob.
    #[error(
        "offset metadata {text:?} is not a task state ({detail}); an offset without its state cannot be trusted, run `tidemill repair`"
    )]
    Unreadable {
        /// The text found.
        text: String,
        /// What the parser said.
        detail: String,
    },
    /// A layout this release does not know.
    #[error("offset metadata has version {found}, this release reads {VERSION}; run the release that wrote it")]
    Version {
        /// The version found.
        found: u32,
    },
    /// State of another feature set or configuration.
    #[error(
        "offset metadata was written under digest {found}, this pipeline has {expected}; run `tidemill apply --rebuild`"
    )]
    Digest {
        /// The digest found.
        found: String,
        /// The digest of this pipeline.
        expected: String,
    },
}

/// Characters of unreadable metadata that are shown.
const SHOWN_CHARS: usize = 80;

impl Error {
    /// What no task can have written, and why.
    pub fn unreadable(text: &str, detail: impl Into<String>) -> Self {
        Error::Unreadable { text: text.chars().take(SHOWN_CHARS).collect(), detail: detail.into() }
    }
}

impl TaskState {
    /// A blob with nothing in it yet.
    pub fn new(digest: &str) -> Self {
        TaskState { v: VERSION, digest: digest.to_owned(), fence: -1, ..TaskState::default() }
    }

    /// Writes the blob.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a blob written under the same digest.
    pub fn read(text: &str, digest: &str) -> Result<Self, Error> {
        let state: TaskState =
            serde_json::from_str(text).map_err(|error| Error::unreadable(text, error.to_string()))?;
        if state.v != VERSION {
            return Err(Error::Version { found: state.v });
        }
        if state.digest != digest {
            return Err(Error::Digest { found: state.digest, expected: digest.to_owned() });
        }
        Ok(state)
    }

    /// Notes a reader's numbers.
    pub fn note_taken(&mut self, reader: &Reader, names: &Names) {
        self.taken = taken(names, reader.save());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blob_survives_and_foreign_ones_are_refused() {
        let mut state = TaskState::new("abc");
        state.out.insert("t".into(), vec![1, 2]);
        assert_eq!(TaskState::read(&state.text(), "abc").unwrap(), state);
        assert!(matches!(TaskState::read(&state.text(), "x"), Err(Error::Digest { .. })));
        assert!(matches!(TaskState::read("{}", "x"), Err(Error::Unreadable { .. })));
        let pointer = Pointer { position: 7, digest: "ab".into() };
        let text = with_pointer(&state.text(), &pointer);
        assert_eq!(split_pointer(&text), (state.text(), Some(pointer.clone())));
        assert_eq!(split_pointer(&state.text()), (state.text(), None));
        assert_eq!(TaskState::read(&text, "abc").unwrap(), TaskState { snapshot: Some(pointer), ..state.clone() });
        state.v = 9;
        assert!(matches!(TaskState::read(&state.text(), "abc"), Err(Error::Version { found: 9 })));
    }

    #[test]
    fn a_blob_is_cut_to_its_head_above_the_limit_only() {
        let mut state = TaskState { fence: 7, ..TaskState::new("abc") };
        let fill = |chars: usize| "x".repeat(chars);
        state.out.insert(fill(INLINE_CHARS_MAX - state.text().len() - ",\"\":[1]".len() + 1), vec![1]);
        let text = state.text();
        assert_eq!((text.len(), inline(text.clone())), (INLINE_CHARS_MAX, text));
        let trigger = Trigger { offset: 1_000_000, item: 2_047, index: 0 };
        let parent = |partition| ("a.transactions.events.v1".to_owned(), partition, 123_456_789, trigger);
        for partitions in [64, 1_024] {
            let state = TaskState { taken: (0..partitions).map(parent).collect(), fence: 7, ..TaskState::new("abc") };
            let short = inline(state.text());
            assert!(state.text().len() > INLINE_CHARS_MAX && short.len() < 300, "{short}");
            let read = TaskState::read(&short, "abc").unwrap();
            assert_eq!((read.fence, read.taken.len()), (7, 0));
            assert_eq!(headed(&short), Some((read.whole.unwrap(), None)));
            let more = TaskState { fence: 7, ..state.clone() };
            assert_eq!(inline(more.text()), short, "it depends on nothing but the blob");
            let other = TaskState { taken: state.taken[1..].to_vec(), ..state };
            assert_ne!(inline(other.text()), short);
        }
        let pointer = Pointer { position: 9, digest: fill(64) };
        let kept = head("not even a state", Some(pointer.clone()));
        assert_eq!(headed(&kept).unwrap().1, Some(pointer));
        assert_eq!(headed(&state.text()), None);
    }
}

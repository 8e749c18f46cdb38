//! The manifest of a dataset, content-addressed.

use std::collections::BTreeMap;
use std::ops::Range;

use registry::canonical::{json_text, sha256_hex};
use registry::store::{self, Store};
use serde::{Deserialize, Serialize};

use super::{Error, Recipe, Result};

/// Version of the manifest's form.
pub(super) const FORMAT: u32 = 1;
/// Where manifests lie in the store.
const PREFIX: &str = "datasets";

/// Everything that identifies a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form.
    pub format: u32,
    /// How the rows were made.
    pub recipe: Recipe,
    /// Where the features came from.
    pub features: Input,
    /// Where the labels came from.
    pub labels: Input,
    /// The columns of the rows, in order.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: u64,
    /// Rows with a label above zero.
    pub positives: u64,
    /// Rows of each class, where labels have classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_rows: Vec<u64>,
    /// Event time of the first row; `None` if there is no row.
    pub first_us: Option<i64>,
    /// Event time of the last row.
    pub last_us: Option<i64>,
    /// Repeated feature rows of an event, of which the first was taken.
    pub repeated: u64,
    /// Events left out because their label was not known.
    pub unlabelled: u64,
    /// Events left out because their label is none of the classes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown_classes: u64,
    /// Digest of the rows' values, in order.
    pub content: String,
}

/// Rows that went in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// An archived topic.
    Topic {
        /// Its name.
        topic: String,
        /// Digests of the schemas its records were written with.
        schemas: Vec<String>,
        /// The files, by partition and offset.
        files: Vec<InputFile>,
    },
    /// One Parquet file.
    File {
        /// Its name without directories.
        name: String,
        /// Its rows.
        rows: u64,
        /// Digest of its bytes.
        sha256: String,
    },
    /// Several of these, one after the other.
    Several(Vec<Input>),
}

/// A file of the archive that went in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// The partition.
    pub partition: i32,
    /// Offsets that the file covers.
    pub offsets: Range<i64>,
    /// Offsets that were used.
    pub used: Range<i64>,
    /// Digest of its bytes.
    pub sha256: String,
}

/// For what must not change the digests of datasets that do not have it.
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Input {
    /// The offsets that were used of each partition: with them, the same archive gives the same rows again.
    pub fn ranges(&self) -> BTreeMap<i32, Range<i64>> {
        let mut ranges = BTreeMap::<i32, Range<i64>>::new();
        if let Self::Topic { files, .. } = self {
            for file in files {
                let range = ranges.entry(file.partition).or_insert_with(|| file.used.clone());
                range.start = range.start.min(file.used.start);
                range.end = range.end.max(file.used.end);
            }
        }
        ranges
    }
}

impl Manifest {
    /// The canonical text.
    pub fn text(&self) -> String {
        let value = serde_json::to_value(self).expect("a manifest has text keys only");
        json_text(&value)
    }

    /// The dataset's digest.
    pub fn digest(&self) -> String {
        sha256_hex(self.text().as_bytes())
    }
}

/// Keeps a manifest in the store under its digest, which is returned. Saving it again changes nothing.
pub fn save(store: &Store, manifest: &Manifest) -> Result<String> {
    let digest = manifest.digest();
    match store.put_create(&key(&digest), manifest.text().as_bytes()) {
        Ok(()) | Err(store::Error::AlreadyExists { .. }) => Ok(digest),
        Err(e) => Err(e.into()),
    }
}

/// The manifest with this digest, if the store has it.
pub fn find(store: &Store, digest: &str) -> Result<Option<Manifest>> {
    let key = key(digest);
    let Some(bytes) = store.find(&key)? else {
        return Ok(None);
    };
    let unreadable = |detail: String| Error::Manifest { key: key.clone(), place: store.place(), detail };
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|e| unreadable(e.to_string()))?;
    match manifest.digest() == digest {
        true => Ok(Some(manifest)),
        false => Err(unreadable("its content has another digest".to_owned())),
    }
}

/// The digests of all manifests in the store, in order.
pub fn saved(store: &Store) -> Result<Vec<String>> {
    let names = store.children(PREFIX)?;
    Ok(names.iter().filter_map(|name| store::unescape(name)).collect())
}

fn key(digest: &str) -> String {
    format!("{PREFIX}/{}/manifest.json", store::escape(digest))
}

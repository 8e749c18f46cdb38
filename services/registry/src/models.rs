//! Published models: immutable versions of named sets of files.
//!
//! Here a model is bytes. What the files must contain, and whether they may score, is for `topologies/model`.

#[cfg(test)]
mod tests;
mod version;

use std::collections::BTreeMap;

use crate::canonical::sha256_hex;
use crate::store::{self, Store, escape, unescape};

pub use version::Version;

/// The file written last: a version without it does not exist.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Files in a version, at most.
pub const FILES_MAX: usize = 64;
/// Bytes in a version, at most.
pub const VERSION_BYTES_MAX: usize = 1 << 30;

/// Why a model could not be published or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not answer or refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Files that cannot be a version.
    #[error("model `{name}` cannot be published: {detail}")]
    Unpublishable {
        /// The model's name.
        name: String,
        /// Which rule is broken.
        detail: String,
    },
    /// There is no such model or version.
    #[error("model `{name}` has no {wanted}; {available}")]
    NotFound {
        /// The model's name.
        name: String,
        /// The version that was asked for.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// Two different files claim one name in one version.
    #[error(
        "`{key}` in {place} differs from the file being published under the same manifest; restore or remove that version"
    )]
    Conflict {
        /// The key of the file.
        key: String,
        /// The store.
        place: String,
    },
}

/// Result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The model's name.
    pub name: String,
    /// The version, from 1. Numbers rise but may have gaps where a publisher died.
    pub version: u64,
    /// Digest of `manifest.json`, which in turn names the digests of all other files.
    pub digest: String,
}

/// A published version with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Which version it is.
    pub published: Published,
    /// Its files by name. The digests in the manifest are not yet verified; the load gate does that.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// The models in a store.
#[derive(Debug, Clone)]
pub struct Models {
    store: Store,
}

impl Models {
    /// The models of this store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Publishes files as the next version of a model, and returns which one it became.
    ///
    /// Publishing the very files again returns the version they have, so a publisher that died may simply repeat its
    /// call. Racing publishers of different files get different versions.
    pub fn publish(&self, name: &str, files: &BTreeMap<String, Vec<u8>>) -> Result<Published> {
        let manifest = check(name, files)?;
        let digest = sha256_hex(manifest);
        if let Some(earlier) = self.list(name)?.into_iter().find(|p| p.digest == digest) {
            return Ok(earlier);
        }
        let version = self.claim(name, &digest)?;
        let dir = version_dir(name, version);
        let last = files.get_key_value(MANIFEST_FILE);
        let others = files.iter().filter(|(file, _)| *file != MANIFEST_FILE);
        for (file, bytes) in others.chain(last) {
            self.create_same(&format!("{dir}/{file}"), bytes)?;
        }
        Ok(Published { name: name.to_owned(), version, digest })
    }

    /// All models that have a version, in order of name.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for segment in self.store.children("models")? {
            if let Some(name) = unescape(&segment)
                && !self.list(&name)?.is_empty()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// The versions of a model, oldest first.
    pub fn list(&self, name: &str) -> Result<Vec<Published>> {
        let mut published = Vec::new();
        for version in self.numbers(&format!("models/{}", escape(name)))? {
            let key = format!("{}/{MANIFEST_FILE}", version_dir(name, version));
            if let Some(manifest) = self.store.find(&key)? {
                let digest = sha256_hex(&manifest);
                published.push(Published { name: name.to_owned(), version, digest });
            }
        }
        Ok(published)
    }

    /// One version with its files.
    pub fn open(&self, name: &str, version: Version) -> Result<Opened> {
        let versions = self.list(name)?;
        let found = match version {
            Version::Latest => versions.last(),
            Version::Number(number) => versions.iter().find(|p| p.version == number),
        };
        let published = found.cloned().ok_or_else(|| self.not_found(name, &version.to_string(), &versions))?;
        self.read(published)
    }

    /// The version whose manifest has this digest, with its files.
    pub fn open_digest(&self, name: &str, digest: &str) -> Result<Opened> {
        let versions = self.list(name)?;
        let found = versions.iter().find(|p| p.digest == digest).cloned();
        let wanted = format!("version with digest {digest}");
        self.read(found.ok_or_else(|| self.not_found(name, &wanted, &versions))?)
    }

    fn read(&self, published: Published) -> Result<Opened> {
        let dir = version_dir(&published.name, published.version);
        let mut files = BTreeMap::new();
        for key in self.store.list(&dir)? {
            let file = key[dir.len() + 1..].to_owned();
            files.insert(file, self.store.get(&key)?.to_vec());
        }
        Ok(Opened { published, files })
    }

    /// Takes the next free number for this digest, or the number it took before its publisher died.
    ///
    /// The claim lies beside the versions, not in them: a version holds nothing but the model's files.
    fn claim(&self, name: &str, digest: &str) -> Result<u64> {
        let prefix = format!("claims/models/{}", escape(name));
        loop {
            let taken = self.numbers(&prefix)?;
            for version in &taken {
                if self.store.get(&format!("{prefix}/{version}"))? == digest.as_bytes() {
                    return Ok(*version);
                }
            }
            let next = taken.last().copied().unwrap_or(0) + 1;
            match self.store.put_create(&format!("{prefix}/{next}"), digest.as_bytes()) {
                Ok(()) => return Ok(next),
                Err(store::Error::AlreadyExists { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Creates a file that may be there already only with the same bytes.
    fn create_same(&self, key: &str, bytes: &[u8]) -> Result<()> {
        match self.store.put_create(key, bytes) {
            Err(store::Error::AlreadyExists { .. }) => match self.store.get(key)? == bytes {
                true => Ok(()),
                false => Err(Error::Conflict { key: key.to_owned(), place: self.store.place() }),
            },
            other => Ok(other?),
        }
    }

    fn numbers(&self, prefix: &str) -> Result<Vec<u64>> {
        let children = self.store.children(prefix)?;
        let mut numbers: Vec<u64> = children.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn not_found(&self, name: &str, wanted: &str, versions: &[Published]) -> Error {
        let available = match versions {
            [] => format!("nothing was published under that name in {}; train a model first", self.store.place()),
            [only] => format!("its only version is {}", only.version),
            [first, .., last] => format!("it has versions {} to {}", first.version, last.version),
        };
        Error::NotFound { name: name.to_owned(), wanted: wanted.to_owned(), available }
    }
}

fn version_dir(name: &str, version: u64) -> String {
    format!("models/{}/{version}", escape(name))
}

/// Refuses what cannot be a version, and returns the manifest of what can.
fn check<'a>(name: &str, files: &'a BTreeMap<String, Vec<u8>>) -> Result<&'a [u8]> {
    let refuse = |detail: String| Err(Error::Unpublishable { name: name.to_owned(), detail });
    if name.is_empty() {
        return refuse("a model needs a name".to_owned());
    }
    if files.len() > FILES_MAX {
        return refuse(format!("{} files, the limit is {FILES_MAX}", files.len()));
    }
    let bytes: usize = files.values().map(Vec::len).sum();
    if bytes > VERSION_BYTES_MAX {
        return refuse(format!("{bytes} bytes, the limit is {VERSION_BYTES_MAX}"));
    }
    match files.get(MANIFEST_FILE) {
        Some(manifest) => Ok(manifest),
        None => refuse(format!("the file {MANIFEST_FILE} is missing")),
    }
}

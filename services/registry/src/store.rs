//! A blocking object store: keys to bytes, with create-if-absent, in a local directory, behind the S3 interface, or in
//! memory.

mod key;
mod local;
mod remote;
mod s3;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStore;
use object_store::memory::InMemory;

pub use key::{KEY_BYTES_MAX, SEGMENT_BYTES_MAX, escape, unescape};
use local::Local;
use remote::Remote;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody created the key earlier. What they wrote stays.
    #[error("`{key}` exists already in {place}; it is written once and never replaced")]
    AlreadyExists {
        /// The key.
        key: String,
        /// The store.
        place: String,
    },
    /// Nothing has this key.
    #[error("`{key}` does not exist in {place}")]
    NotFound {
        /// The key.
        key: String,
        /// The store.
        place: String,
    },
    /// The key cannot name an object.
    #[error("`{key}` cannot be a key: {detail}")]
    BadKey {
        /// The key as given.
        key: String,
        /// Which rule it breaks.
        detail: String,
    },
    /// The place itself refused. Nothing is known about the outcome of a write.
    #[error("cannot {action} `{key}` in {place}: {detail}; check that the store is reachable, writable and not full")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// The key or prefix.
        key: String,
        /// The store.
        place: String,
        /// What came back.
        detail: String,
    },
    /// The place has no room left. What was written before is there.
    #[error(
        "cannot {action} `{key}` in {place}: {detail}; free some room there and start again: everything acknowledged is kept"
    )]
    Full {
        /// What was tried.
        action: &'static str,
        /// The key.
        key: String,
        /// The store.
        place: String,
        /// What came back.
        detail: String,
    },
    /// The URL of a store cannot be used.
    #[error(
        "`{url}` cannot be used as a store: {detail}; write s3://BUCKET/PREFIX, and give key, region and endpoint by the AWS_… variables"
    )]
    Url {
        /// The URL.
        url: String,
        /// What is wrong.
        detail: String,
    },
    /// The directory of a local store cannot be used.
    #[error("cannot use {} as a store: {detail}; name a directory that this user may write to", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What came back.
        detail: String,
    },
}

impl Error {
    /// Whether the same call may succeed later: the place does not answer, or has no room.
    pub fn is_of_the_place(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full { .. })
    }
}

/// Key, region and endpoint of an S3 store, by the names of AWS's variables.
pub type S3Settings = BTreeMap<String, String>;

/// Result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An object store, shared by cloning.
///
/// Calls block; call them from plain threads, or from `spawn_blocking` inside an async service. Keys are segments
/// joined by `/`, see [`escape`] for text from outside.
///
/// What a call has written survives a power cut once the call returns, on every kind of store.
#[derive(Debug, Clone)]
pub struct Store {
    backend: Arc<Backend>,
}

#[derive(Debug)]
enum Backend {
    Local(Local),
    Remote(Remote),
}

impl Store {
    /// The store at an `s3://BUCKET/PREFIX`, with key, region and endpoint as AWS's own tools take them from the
    /// environment, or in the directory of this path.
    pub fn open(place: &str) -> Result<Self> {
        if !s3::is_url(place) {
            return Self::local(Path::new(place));
        }
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self::s3(place, &std::env::vars_os().filter_map(text).collect())
    }

    /// The store at an `s3://BUCKET/PREFIX` with these settings.
    pub fn s3(url: &str, settings: &S3Settings) -> Result<Self> {
        Ok(Self::new(Backend::Remote(s3::open(url, settings)?)))
    }

    /// A store in a local directory, created if it is not there. Several processes may use it at once.
    pub fn local(dir: &Path) -> Result<Self> {
        Ok(Self::new(Backend::Local(Local::open(dir)?)))
    }

    /// A store in this process's memory.
    pub fn memory() -> Self {
        Self::object_store(Arc::new(InMemory::new()), "memory")
    }

    /// A store behind any `object_store`. `place` names it in messages. The store must honour conditional creation.
    pub fn object_store(objects: Arc<dyn ObjectStore>, place: &str) -> Self {
        Self::new(Backend::Remote(Remote::new(objects, place)))
    }

    fn new(backend: Backend) -> Self {
        Self { backend: Arc::new(backend) }
    }

    /// Where this store keeps its objects, for messages.
    pub fn place(&self) -> String {
        match &*self.backend {
            Backend::Local(local) => local.place(),
            Backend::Remote(remote) => remote.place(),
        }
    }

    /// The directory of a local store; none for others.
    pub fn local_dir(&self) -> Option<&Path> {
        match &*self.backend {
            Backend::Local(local) => Some(local.root()),
            Backend::Remote(_) => None,
        }
    }

    /// The whole object, or [`Error::NotFound`].
    pub fn get(&self, key: &str) -> Result<Bytes> {
        self.find(key)?.ok_or_else(|| self.not_found(key))
    }

    /// The whole object, or `None` when there is none.
    pub fn find(&self, key: &str) -> Result<Option<Bytes>> {
        key::check(key)?;
        match &*self.backend {
            Backend::Local(local) => local.find(key),
            Backend::Remote(remote) => remote.find(key),
        }
    }

    /// Some bytes of an object. The range must lie within it.
    pub fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        key::check(key)?;
        match &*self.backend {
            Backend::Local(local) => local.get_range(key, range),
            Backend::Remote(remote) => remote.get_range(key, range),
        }
    }

    /// The size of an object in bytes.
    pub fn size(&self, key: &str) -> Result<u64> {
        key::check(key)?;
        match &*self.backend {
            Backend::Local(local) => local.size(key),
            Backend::Remote(remote) => remote.size(key),
        }
    }

    /// Creates an object that must not exist. Of racing callers exactly one succeeds, the others get
    /// [`Error::AlreadyExists`]; no reader ever sees a part of it.
    pub fn put_create(&self, key: &str, bytes: &[u8]) -> Result<()> {
        key::check(key)?;
        match &*self.backend {
            Backend::Local(local) => local.put_create(key, bytes),
            Backend::Remote(remote) => remote.put_create(key, bytes),
        }
    }

    /// Writes an object, replacing the old one in one step.
    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<()> {
        key::check(key)?;
        match &*self.backend {
            Backend::Local(local) => local.put(key, bytes),
            Backend::Remote(remote) => remote.put(key, bytes),
        }
    }

    /// Makes sure that an object which this process has only read, and another may have just created, survives a
    /// power cut. Call it before acting on a decision found in the store.
    pub fn settle(&self, key: &str) -> Result<()> {
        key::check(key)?;
        match &*self.backend {
            Backend::Local(local) => local.settle(key),
            Backend::Remote(_) => Ok(()),
        }
    }

    /// All keys under a prefix of whole segments (`""` for all), in byte order.
    pub fn list(&self, prefix: &str) -> Result<Vec<String>> {
        key::check_prefix(prefix)?;
        let mut keys = match &*self.backend {
            Backend::Local(local) => local.list(prefix)?,
            Backend::Remote(remote) => remote.list(prefix)?,
        };
        keys.sort_unstable();
        Ok(keys)
    }

    /// The names directly under a prefix, objects and inner segments alike, each once, in byte order.
    pub fn children(&self, prefix: &str) -> Result<Vec<String>> {
        key::check_prefix(prefix)?;
        let mut names = match &*self.backend {
            Backend::Local(local) => local.children(prefix)?,
            Backend::Remote(remote) => remote.children(prefix)?,
        };
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Removes an object. That there is none is no error.
    pub fn delete(&self, key: &str) -> Result<()> {
        key::check(key)?;
        match &*self.backend {
            Backend::Local(local) => local.delete(key),
            Backend::Remote(remote) => remote.delete(key),
        }
    }

    fn not_found(&self, key: &str) -> Error {
        Error::NotFound { key: key.to_owned(), place: self.place() }
    }
}

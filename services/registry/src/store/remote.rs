//! The store behind any `object_store`: memory, for tests, and buckets.
//!
//! What exactly one may create is put on condition that it is not there. Before the first such put a server is asked
//! whether it honours that; a put whose answer was lost is not made again, for the second answer would not say who
//! created it.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tokio::runtime::Runtime;

use super::{Error, Result, key};

/// An object that only says whether the server replaces what must not be replaced.
const PROBE: &str = "probe/created-once";
/// How often a creation is tried that the server refuses for now.
const ATTEMPTS_MAX: u32 = 4;
/// First pause between two attempts; it doubles each time.
const PAUSE_MS: u64 = 200;
/// How answers look by which a server says that it did nothing and may do it later: too many requests, no time, and
/// two creators at once of which it can tell no winner yet. The library keeps statuses to itself, but says them.
const REFUSED_FOR_NOW: [&str; 3] = ["status code: 429", "status code: 503", "ConditionalRequestConflict"];
/// How the answer looks that has the same status as the one for an object that is not there.
const NO_BUCKET: &str = "NoSuchBucket";

pub(super) struct Remote {
    objects: Arc<dyn ObjectStore>,
    /// For requests that must not be made twice.
    creator: Arc<dyn ObjectStore>,
    place: String,
    /// Whether the server was seen to refuse a second creation.
    trusted: AtomicBool,
    /// Drives the client's connections; callers are plain threads. Present until dropped.
    runtime: Option<Runtime>,
}

impl fmt::Debug for Remote {
    /// Says nothing of the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.place).finish()
    }
}

impl Remote {
    /// A store of which one knows that it creates an object once.
    pub(super) fn new(objects: Arc<dyn ObjectStore>, place: &str) -> Self {
        let remote = Self::over_network(objects.clone(), objects, place.to_owned());
        remote.trusted.store(true, Ordering::Relaxed);
        remote
    }

    /// A server behind two clients, of which the second must not repeat requests.
    pub(super) fn over_network(objects: Arc<dyn ObjectStore>, creator: Arc<dyn ObjectStore>, place: String) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime without threads of its own needs only a few file handles");
        Self { objects, creator, place, trusted: AtomicBool::new(false), runtime: Some(runtime) }
    }

    pub(super) fn place(&self) -> String {
        self.place.clone()
    }

    pub(super) fn find(&self, key: &str) -> Result<Option<Bytes>> {
        let path = path(key)?;
        let fetched = self.wait(async { self.objects.get(&path).await?.bytes().await });
        match fetched.map_err(|e| self.failed("read", key, &e)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    pub(super) fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let wanted = range.end - range.start;
        let path = path(key)?;
        let bytes = self.wait(self.objects.get_range(&path, range)).map_err(|e| self.failed("read", key, &e))?;
        if bytes.len() as u64 != wanted {
            return Err(self.unavailable("read", key, format!("{} bytes came of {wanted} asked for", bytes.len())));
        }
        Ok(bytes)
    }

    pub(super) fn size(&self, key: &str) -> Result<u64> {
        let meta = self.wait(self.objects.head(&path(key)?)).map_err(|e| self.failed("look up", key, &e))?;
        Ok(meta.size)
    }

    pub(super) fn put_create(&self, key: &str, bytes: &[u8]) -> Result<()> {
        if !self.trusted.load(Ordering::Relaxed) {
            self.probe()?;
            self.trusted.store(true, Ordering::Relaxed);
        }
        self.create(key, bytes)
    }

    /// The first creation may succeed, the second must not.
    fn probe(&self) -> Result<()> {
        for _ in 0..2 {
            match self.create(PROBE, b"") {
                Ok(()) => {}
                Err(Error::AlreadyExists { .. }) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        let detail = "the server replaces objects that exist (it ignores If-None-Match), so two processes could decide \
                      differently; use another server, or a newer version of it";
        Err(self.unavailable("write", PROBE, detail.to_owned()))
    }

    fn create(&self, key: &str, bytes: &[u8]) -> Result<()> {
        let (path, payload) = (path(key)?, PutPayload::from(bytes.to_vec()));
        let mut pause_ms = PAUSE_MS;
        for attempt in 1.. {
            match self.wait(self.creator.put_opts(&path, payload.clone(), PutMode::Create.into())) {
                Ok(_) => break,
                Err(e) if attempt < ATTEMPTS_MAX && is_refused_for_now(&e) => {}
                Err(e) => return Err(self.failed("write", key, &e)),
            }
            std::thread::sleep(Duration::from_millis(pause_ms));
            pause_ms *= 2;
        }
        Ok(())
    }

    pub(super) fn put(&self, key: &str, bytes: &[u8]) -> Result<()> {
        let (path, payload) = (path(key)?, PutPayload::from(bytes.to_vec()));
        let written = self.wait(self.objects.put(&path, payload));
        written.map(|_| ()).map_err(|e| self.failed("write", key, &e))
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let path = path(prefix)?;
        let listed = self
            .wait(self.objects.list(Some(&path)).try_collect::<Vec<_>>())
            .map_err(|e| self.failed("list", prefix, &e))?;
        // What others put there is none of ours.
        Ok(listed.into_iter().map(|meta| meta.location.to_string()).filter(|key| key::check(key).is_ok()).collect())
    }

    pub(super) fn children(&self, prefix: &str) -> Result<Vec<String>> {
        let path = path(prefix)?;
        let listed =
            self.wait(self.objects.list_with_delimiter(Some(&path))).map_err(|e| self.failed("list", prefix, &e))?;
        let found = listed.objects.iter().map(|meta| &meta.location).chain(&listed.common_prefixes);
        let ours = found.filter(|path| key::check(path.as_ref()).is_ok());
        Ok(ours.filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    pub(super) fn delete(&self, key: &str) -> Result<()> {
        match self.wait(self.objects.delete(&path(key)?)).map_err(|e| self.failed("delete", key, &e)) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("the runtime is taken only when the store is dropped").block_on(future)
    }

    fn failed(&self, action: &'static str, key: &str, e: &object_store::Error) -> Error {
        let detail = e.to_string();
        let place = self.place();
        match e {
            object_store::Error::AlreadyExists { .. } if !is_refused_for_now(e) => {
                Error::AlreadyExists { key: key.to_owned(), place }
            }
            object_store::Error::NotFound { .. } if !detail.contains(NO_BUCKET) => {
                Error::NotFound { key: key.to_owned(), place }
            }
            _ => self.unavailable(action, key, detail),
        }
    }

    fn unavailable(&self, action: &'static str, key: &str, detail: String) -> Error {
        Error::Unavailable { action, key: key.to_owned(), place: self.place(), detail }
    }
}

fn is_refused_for_now(e: &object_store::Error) -> bool {
    let said = e.to_string();
    REFUSED_FOR_NOW.iter().any(|refusal| said.contains(refusal))
}

impl Drop for Remote {
    /// The last handle may go inside an async service, where waiting for a runtime to end is not allowed.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn path(key: &str) -> Result<Path> {
    Path::parse(key).map_err(|e| Error::BadKey { key: key.to_owned(), detail: e.to_string() })
}

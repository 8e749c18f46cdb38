//! The store behind any `object_store`: memory, for tests.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tokio::runtime::Runtime;

use super::{Error, Result};

#[derive(Debug)]
pub(super) struct Remote {
    objects: Arc<dyn ObjectStore>,
    place: String,
    /// Drives the client's connections; callers are plain threads. Present until dropped.
    runtime: Option<Runtime>,
}

impl Remote {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, place: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime without threads of its own needs only a few file handles");
        Self { objects, place: place.to_owned(), runtime: Some(runtime) }
    }

    pub(super) fn place(&self) -> String {
        self.place.clone()
    }

    pub(super) fn find(&self, key: &str) -> Result<Option<Bytes>> {
        let path = path(key)?;
        let fetched = self.wait(async { self.objects.get(&path).await?.bytes().await });
        match fetched {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed("read", key, &e)),
        }
    }

    pub(super) fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.wait(self.objects.get_range(&path(key)?, range)).map_err(|e| self.failed("read", key, &e))
    }

    pub(super) fn size(&self, key: &str) -> Result<u64> {
        let meta = self.wait(self.objects.head(&path(key)?)).map_err(|e| self.failed("look up", key, &e))?;
        Ok(meta.size)
    }

    pub(super) fn put_create(&self, key: &str, bytes: &[u8]) -> Result<()> {
        self.put_as(PutMode::Create, key, bytes)
    }

    pub(super) fn put(&self, key: &str, bytes: &[u8]) -> Result<()> {
        self.put_as(PutMode::Overwrite, key, bytes)
    }

    fn put_as(&self, mode: PutMode, key: &str, bytes: &[u8]) -> Result<()> {
        let path = path(key)?;
        let payload = PutPayload::from(bytes.to_vec());
        self.wait(self.objects.put_opts(&path, payload, mode.into()))
            .map(|_| ())
            .map_err(|e| self.failed("write", key, &e))
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let path = path(prefix)?;
        let listed = self
            .wait(self.objects.list(Some(&path)).try_collect::<Vec<_>>())
            .map_err(|e| self.failed("list", prefix, &e))?;
        Ok(listed.into_iter().map(|meta| meta.location.to_string()).collect())
    }

    pub(super) fn children(&self, prefix: &str) -> Result<Vec<String>> {
        let path = path(prefix)?;
        let listed =
            self.wait(self.objects.list_with_delimiter(Some(&path))).map_err(|e| self.failed("list", prefix, &e))?;
        let objects = listed.objects.iter().map(|meta| &meta.location);
        Ok(objects.chain(&listed.common_prefixes).filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    pub(super) fn delete(&self, key: &str) -> Result<()> {
        match self.wait(self.objects.delete(&path(key)?)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.failed("delete", key, &e)),
        }
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("the runtime is taken only when the store is dropped").block_on(future)
    }

    fn failed(&self, action: &'static str, key: &str, e: &object_store::Error) -> Error {
        let (key, place) = (key.to_owned(), self.place.clone());
        match e {
            object_store::Error::AlreadyExists { .. } => Error::AlreadyExists { key, place },
            object_store::Error::NotFound { .. } => Error::NotFound { key, place },
            e => Error::Unavailable { action, key, place, detail: e.to_string() },
        }
    }
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

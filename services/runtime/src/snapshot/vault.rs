//! Snapshots in their store: written once, found by position, read with every digest checked.

use super::manifest::{self, FileRef, Manifest};
use super::{Error, Pointer, file, run};
use bytes::Bytes;
use flow::flaw::{Flaw, made};
use flow::snapshot::{Blob, Entry, Header, State, Total};
use registry::store::{self, Store, escape};
use serde::de::IgnoredAny;
use std::collections::BTreeSet;
use std::fmt;

/// Snapshots older than the committed one that are kept, for the case that it is damaged.
const OLDER_KEPT: usize = 2;
/// Digits of a position in a name, so that names sort like positions.
const POSITION_DIGITS: usize = 20;
/// Layout of a blob that was too long for its commit.
const KEPT: &str = "kept";

/// Whose snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// Consumer group.
    pub group: String,
    /// The log.
    pub log: String,
    /// The partition.
    pub partition: i32,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} of {}", self.log, self.partition, self.group)
    }
}

impl Owner {
    fn folder(&self) -> String {
        format!("snapshots/{}/{}/{}", escape(&self.group), escape(&self.log), self.partition)
    }

    /// Says that the task has committed. It lies apart from what belongs to one commit.
    fn begun(&self) -> String {
        format!("tasks/{}/{}/{}", escape(&self.group), escape(&self.log), self.partition)
    }

    fn file(&self, digest: &str) -> String {
        format!("{}/files/{digest}", self.folder())
    }

    fn manifest(&self, name: &Name) -> String {
        format!("{}/{name}.json", self.folder())
    }
}

/// What names a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Position of the snapshot.
    pub position: i64,
    /// SHA-256 of the manifest.
    pub digest: String,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}-{}", self.position, self.digest, width = POSITION_DIGITS)
    }
}

impl From<&Pointer> for Name {
    fn from(pointer: &Pointer) -> Self {
        Name { position: pointer.position, digest: pointer.digest.clone() }
    }
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let (position, digest) = text.strip_suffix(".json")?.split_once('-')?;
        Some(Name { position: position.parse().ok()?, digest: digest.to_owned() })
    }
}

/// Snapshots of all tasks in a store.
#[derive(Debug, Clone)]
pub struct Vault {
    store: Store,
}

/// A snapshot whose entries can be read.
#[derive(Debug)]
pub struct Loaded {
    /// Its name.
    pub name: Name,
    /// The manifest.
    pub manifest: Manifest,
    vault: Vault,
    owner: Owner,
}

impl Vault {
    /// Snapshots in this store.
    pub fn new(store: Store) -> Self {
        Vault { store }
    }

    /// Everyone who has snapshots.
    pub fn owners(&self) -> Result<Vec<Owner>, Error> {
        let mut owners = self.owners_below("snapshots")?;
        let has_some: Result<Vec<bool>, Error> = owners.iter().map(|owner| Ok(!self.list(owner)?.is_empty())).collect();
        let mut has_some = has_some?.into_iter();
        // A folder on disk stays when what was in it is deleted.
        owners.retain(|_| has_some.next().unwrap_or(true));
        Ok(owners)
    }

    /// Everyone who has committed.
    pub fn workers(&self) -> Result<Vec<Owner>, Error> {
        self.owners_below("tasks")
    }

    fn owners_below(&self, folder: &str) -> Result<Vec<Owner>, Error> {
        let mut owners = Vec::new();
        let children = |prefix: String| Ok::<_, Error>((self.store.children(&prefix)?, prefix));
        let (groups, top) = children(folder.to_owned())?;
        for group in groups {
            let (logs, below) = children(format!("{top}/{group}"))?;
            for log in logs {
                for partition in children(format!("{below}/{log}"))?.0 {
                    let parts = (store::unescape(&group), store::unescape(&log), partition.parse());
                    if let (Some(group), Some(log), Ok(partition)) = parts {
                        owners.push(Owner { group, log, partition });
                    }
                }
            }
        }
        owners.sort();
        Ok(owners)
    }

    /// Notes that a task has committed: from now on a commit that is missing was lost.
    pub(super) fn begin(&self, owner: &Owner) -> Result<(), Error> {
        self.create(&owner.begun(), b"")
    }

    /// Whether a task has ever committed.
    pub fn begun(&self, owner: &Owner) -> Result<bool, Error> {
        Ok(self.store.find(&owner.begun())?.is_some())
    }

    /// An owner's snapshots, the newest first.
    pub fn list(&self, owner: &Owner) -> Result<Vec<Name>, Error> {
        let mut names: Vec<Name> =
            self.store.children(&owner.folder())?.iter().filter_map(|name| Name::parse(name)).collect();
        names.sort_unstable();
        names.reverse();
        Ok(names)
    }

    /// The oldest offset that a task with this layout may read when it is restored from any of its snapshots that are not
    /// above its commit; `None` where there is none of these, so that it would read its log from the start. One that is
    /// damaged counts as not there.
    pub fn needed(&self, owner: &Owner, committed: i64, layout: &str) -> Result<Option<i64>, Error> {
        let mut oldest = None::<i64>;
        for name in self.list(owner)?.iter().filter(|name| name.position <= committed) {
            let manifest = match self.manifest(owner, name) {
                Ok(manifest) => manifest,
                // Cleaned up meanwhile, as newer ones are there.
                Err(Error::Store(store::Error::NotFound { .. })) => continue,
                Err(Error::Store(error)) => return Err(error.into()),
                Err(_) => continue,
            };
            let Ok(blob) = Blob::<IgnoredAny>::read(&manifest.blob) else { continue };
            if manifest.layout == layout {
                let from = blob.header.held.map_or(name.position, |(from, _)| from.min(name.position));
                oldest = Some(oldest.map_or(from, |oldest| oldest.min(from)));
            }
        }
        Ok(oldest)
    }

    /// Deletes all that is kept of a task that is no more, manifests last: as long as there is one, its owner is found, and
    /// a call that was cut short is made again.
    pub fn remove(&self, owner: &Owner) -> Result<(), Error> {
        self.store.delete(&owner.begun())?;
        let files = self.store.children(&format!("{}/files", owner.folder()))?;
        files.iter().try_for_each(|file| self.store.delete(&owner.file(file)))?;
        let names = self.list(owner)?;
        Ok(names.iter().try_for_each(|name| self.store.delete(&owner.manifest(name)))?)
    }

    /// A manifest.
    pub fn manifest(&self, owner: &Owner, name: &Name) -> Result<Manifest, Error> {
        let key = owner.manifest(name);
        let bytes = self.read(&key, &name.digest)?;
        let unreadable = |detail: String| Error::Unreadable { key: key.clone(), detail };
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        if manifest.v != manifest::VERSION {
            return Err(unreadable(format!("it has version {}, this release reads {}", manifest.v, manifest::VERSION)));
        }
        if manifest.position != name.position {
            return Err(unreadable(format!("it is of position {}", manifest.position)));
        }
        Ok(manifest)
    }

    /// A snapshot; its files are read when their entries are asked for.
    pub fn load(&self, owner: &Owner, name: &Name) -> Result<Loaded, Error> {
        let manifest = self.manifest(owner, name)?;
        Ok(Loaded { name: name.clone(), manifest, vault: self.clone(), owner: owner.clone() })
    }

    /// The changes in a file.
    pub(super) fn file(&self, owner: &Owner, file: &FileRef) -> Result<Bytes, Error> {
        let key = owner.file(&file.digest);
        let bytes = self.read(&key, &file.digest)?;
        let changes = file::decode(&bytes)
            .ok_or_else(|| Error::Unreadable { key, detail: "it does not begin as our files do".to_owned() })?;
        Ok(bytes.slice_ref(changes))
    }

    fn read(&self, key: &str, digest: &str) -> Result<Bytes, Error> {
        let bytes = self.store.get(key)?;
        let found = file::digest(&bytes);
        if found == digest || made(Flaw::SnapshotUnchecked) {
            Ok(bytes)
        } else {
            Err(Error::Digest { key: key.to_owned(), found })
        }
    }

    /// Writes a file of changes that are sorted.
    pub(super) fn put_file(&self, owner: &Owner, changes: &[u8], entries: u64) -> Result<FileRef, Error> {
        let bytes = file::encode(changes);
        let digest = file::digest(&bytes);
        self.create(&owner.file(&digest), &bytes)?;
        Ok(FileRef { digest, bytes: bytes.len() as u64, entries, follows: false })
    }

    /// Writes a manifest; its files are there.
    pub(super) fn put_manifest(&self, owner: &Owner, manifest: &Manifest) -> Result<Pointer, Error> {
        let text = serde_json::to_string(manifest).unwrap_or_default();
        let pointer = Pointer { position: manifest.position, digest: file::digest(text.as_bytes()) };
        self.create(&owner.manifest(&Name::from(&pointer)), text.as_bytes())?;
        Ok(pointer)
    }

    /// Keeps a task's blob that is too long for the commit at this position.
    pub fn keep(&self, owner: &Owner, position: i64, text: &str) -> Result<Pointer, Error> {
        let state = serde_json::from_str(text).unwrap_or_default();
        let blob = Blob { header: Header { position, state, ..Header::default() }, own: text }.text();
        let (group, log, layout) = (owner.group.clone(), owner.log.clone(), KEPT.to_owned());
        let (v, partition, sum) = (manifest::VERSION, owner.partition, format!("{:032x}", 0));
        self.put_manifest(owner, &Manifest { v, group, log, partition, position, layout, sum, files: Vec::new(), blob })
    }

    /// A blob that was kept.
    pub fn kept(&self, owner: &Owner, pointer: &Pointer) -> Result<String, Error> {
        let manifest = self.manifest(owner, &pointer.into())?;
        let blob = Blob::<String>::read(&manifest.blob);
        blob.map(|blob| blob.own).map_err(|source| Error::State { position: pointer.position, source })
    }

    /// Deletes a manifest that has no files.
    pub(super) fn forget(&self, owner: &Owner, pointer: &Pointer) -> Result<(), Error> {
        Ok(self.store.delete(&owner.manifest(&pointer.into()))?)
    }

    /// What is there already has this content, for its name says so.
    fn create(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        match self.store.put_create(key, bytes) {
            Err(store::Error::AlreadyExists { .. }) => Ok(self.store.settle(key)?),
            other => Ok(other?),
        }
    }

    /// Deletes what is older than the snapshots before a committed one, with the files that only those name.
    pub(super) fn clean(&self, owner: &Owner, committed: &Pointer) -> Result<(), Error> {
        let names = self.list(owner)?;
        let older = names.partition_point(|name| name.position >= committed.position);
        let (kept, gone) = names.split_at(names.len().min(older + OLDER_KEPT));
        if gone.is_empty() {
            return Ok(());
        }
        let files = |names: &[Name]| -> BTreeSet<String> {
            let manifests = names.iter().filter_map(|name| self.manifest(owner, name).ok());
            manifests.flat_map(|manifest| manifest.files).map(|file| file.digest).collect()
        };
        let unused = files(gone);
        let used = files(kept);
        for name in gone {
            self.store.delete(&owner.manifest(name))?;
        }
        for digest in unused.difference(&used) {
            self.store.delete(&owner.file(digest))?;
        }
        Ok(())
    }
}

impl Loaded {
    /// Gives every entry, by part and key; no more than a file of each run is in memory at once. Digests are checked on
    /// the way, and the sum at the end: what comes before an error is nothing to go by.
    pub fn each<E: From<Error>>(&self, each: impl FnMut(&Entry<'_>) -> Result<(), E>) -> Result<Total, E> {
        let runs = self.manifest.runs();
        let total = run::merging(&self.vault, &self.owner, &runs)?.each(each)?;
        let sum = self.manifest.sum().ok_or_else(|| flow::snapshot::Error::Blob("its sum is no number".to_owned()));
        if !made(Flaw::SnapshotUnchecked) {
            sum.and_then(|sum| total.verify(sum)).map_err(|source| self.refused(source))?;
        }
        Ok(total)
    }

    /// Reads and checks everything.
    pub fn verify(&self) -> Result<Total, Error> {
        self.each(|_| Ok(())).map_err(|error| self.placed(error))
    }

    /// Puts a task that has handled nothing into this state; gives the offset to read its log from. After an error the
    /// task is of no use.
    pub fn restore(&self, state: &mut dyn State) -> Result<i64, Error> {
        let position = self.manifest.position;
        let (found, expected) = (self.manifest.layout.clone(), state.layout());
        if found != expected {
            return Err(Error::Layout { position, found, expected });
        }
        let loaded = self.each(|entry| Ok(state.load(entry)?));
        loaded.map_err(|error| self.placed(error))?;
        state.resume(&self.manifest.blob).map_err(|source| self.refused(source))
    }

    fn refused(&self, source: flow::snapshot::Error) -> Error {
        Error::State { position: self.manifest.position, source }
    }

    /// The same error with the position of the snapshot.
    fn placed(&self, error: Error) -> Error {
        match error {
            Error::Entries(source) => self.refused(source),
            error => error,
        }
    }
}

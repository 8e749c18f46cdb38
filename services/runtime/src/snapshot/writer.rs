//! Writing snapshots in a thread of its own, so that no record waits for the store.

use super::{Error, FileRef, Manifest, Owner, Pointer, Vault, manifest};
use bytes::Bytes;
use flow::snapshot::{Changes, Merged};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tracing::{debug, error, warn};

/// Most files of a snapshot; more are merged.
const FILES_MAX: usize = 64;
/// Most bytes of changes kept while the store cannot be written. Beyond that there are no more snapshots of the task
/// until it is opened again, and its next restart reads more of its log.
const UNWRITTEN_BYTES_MAX: usize = 256 * 1024 * 1024;

/// State that was cut.
#[derive(Debug)]
pub struct Cut {
    /// Whose.
    pub owner: Owner,
    /// The next offset to read.
    pub position: i64,
    /// What entries and blob mean.
    pub layout: String,
    /// The task's blob.
    pub blob: String,
    /// What changed since the cut before.
    pub changes: Changes,
}

/// What came of a cut; none when it could not be written.
#[derive(Debug)]
pub struct Done {
    /// Whose.
    pub owner: Owner,
    /// The snapshot.
    pub pointer: Option<Pointer>,
}

enum Message {
    /// A task begins, with the files of the snapshot that it was restored from.
    Open(Owner, Vec<FileRef>),
    Write(Cut),
    /// The pointer was committed: what is older is not needed.
    Committed(Owner, Pointer),
}

/// A thread that writes snapshots. It ends when this is dropped, after what was handed over.
#[derive(Debug)]
pub struct Writer {
    messages: Option<Sender<Message>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(vault: Vault) -> Result<Self, std::io::Error> {
        let (messages, inbox) = channel();
        let (outbox, done) = channel();
        let thread = std::thread::Builder::new().name("snapshots".to_owned()).spawn(move || {
            let mut chains = Chains { vault, chains: HashMap::new() };
            for message in inbox {
                if let Some(done) = chains.handle(message) {
                    let _ = outbox.send(done);
                }
            }
        })?;
        Ok(Writer { messages: Some(messages), done, thread: Some(thread) })
    }

    /// A task begins with the files of the snapshot that it was restored from, or with none.
    pub fn open(&self, owner: Owner, files: Vec<FileRef>) {
        self.send(Message::Open(owner, files));
    }

    /// Hands a cut over.
    pub fn write(&self, cut: Cut) {
        self.send(Message::Write(cut));
    }

    /// Says that a pointer was committed.
    pub fn committed(&self, owner: Owner, pointer: Pointer) {
        self.send(Message::Committed(owner, pointer));
    }

    /// What came of earlier cuts, if it is there.
    pub fn done(&self) -> impl Iterator<Item = Done> {
        self.done.try_iter()
    }

    fn send(&self, message: Message) {
        // The thread ends before this does only when it panicked; then there are no snapshots, and nothing else is amiss.
        if let Some(messages) = &self.messages {
            let _ = messages.send(message);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread knows of a task.
#[derive(Default)]
struct Chain {
    files: Vec<FileRef>,
    /// Changes of cuts that could not be written; they come first in the next file.
    unwritten: Changes,
    broken: bool,
}

struct Chains {
    vault: Vault,
    chains: HashMap<Owner, Chain>,
}

impl Chains {
    fn handle(&mut self, message: Message) -> Option<Done> {
        match message {
            Message::Open(owner, files) => {
                self.chains.insert(owner, Chain { files, ..Chain::default() });
                None
            }
            Message::Write(cut) => {
                let owner = cut.owner.clone();
                let pointer = self.write(cut);
                Some(Done { owner, pointer })
            }
            Message::Committed(owner, pointer) => {
                if let Err(error) = self.vault.clean(&owner, &pointer) {
                    debug!(%owner, %error, "old snapshots stay");
                }
                None
            }
        }
    }

    fn write(&mut self, cut: Cut) -> Option<Pointer> {
        let Cut { owner, position, layout, blob, changes } = cut;
        let chain = self.chains.entry(owner.clone()).or_default();
        if chain.broken {
            return None;
        }
        let sum = changes.sum;
        let mut changes = std::mem::take(&mut chain.unwritten).and(&changes);
        changes.sum = sum;
        match chain.files_with(&self.vault, &owner, &changes) {
            Ok(files) => {
                let (group, log) = (owner.group.clone(), owner.log.clone());
                let sum = format!("{sum:032x}");
                let (v, partition, files) = (manifest::VERSION, owner.partition, files);
                let manifest = Manifest { v, group, log, partition, position, layout, sum, files, blob };
                match self.vault.put_manifest(&owner, &manifest) {
                    Ok(pointer) => {
                        debug!(%owner, position, files = manifest.files.len(), bytes = manifest.bytes(), "snapshot taken");
                        chain.files = manifest.files;
                        return Some(pointer);
                    }
                    Err(error) => chain.keep(&owner, changes, &error),
                }
            }
            Err(error) => chain.keep(&owner, changes, &error),
        }
        None
    }
}

impl Chain {
    /// The files of a snapshot with these changes on top, all of them written.
    fn files_with(&self, vault: &Vault, owner: &Owner, changes: &Changes) -> Result<Vec<FileRef>, Error> {
        let mut files = self.files.clone();
        let later: u64 = files.iter().skip(1).map(|file| file.bytes).sum::<u64>() + changes.bytes.len() as u64;
        let first = files.first().map_or(u64::MAX, |file| file.bytes);
        if later <= first && files.len() < FILES_MAX {
            if !changes.bytes.is_empty() {
                files.push(vault.put_file(owner, &changes.bytes, changes.count)?);
            }
            return Ok(files);
        }
        let before = files.iter().map(|file| vault.file(owner, file)).collect::<Result<Vec<Bytes>, _>>()?;
        let mut merged = Merged::default();
        let unreadable = |error: &dyn std::fmt::Display| Error::Unreadable {
            key: owner.to_string(),
            detail: format!("its files cannot be merged: {error}"),
        };
        for file in before.iter().map(|bytes| &bytes[..]).chain([&changes.bytes[..]]) {
            merged.add(file).map_err(|error| unreadable(&error))?;
        }
        merged.verify(changes.sum).map_err(|error| unreadable(&error))?;
        let all = merged.changes();
        Ok(vec![vault.put_file(owner, &all.bytes, all.count)?])
    }

    fn keep(&mut self, owner: &Owner, changes: Changes, error: &Error) {
        warn!(%owner, %error, "no snapshot could be taken");
        self.broken = changes.bytes.len() > UNWRITTEN_BYTES_MAX;
        if self.broken {
            error!(%owner, "no more snapshots until the service is started again: too much has changed since the last");
        } else {
            self.unwritten = changes;
        }
    }
}

//! Writing snapshots in a thread of its own, so that no record waits for the store.

use super::chain::Chains;
use super::manifest::Run;
use super::merge::Merger;
use super::{Manifest, Owner, Pointer, Vault};
use flow::snapshot::Changes;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracing::{debug, warn};

/// Longest that the thread's owner waits for its end.
const END_MS_MAX: u64 = 5_000;
/// Time between two looks at whether it ended.
const END_LOOK_MS: u64 = 2;

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
    Open(Owner, Vec<Run>),
    Write(Cut),
    /// The task has committed, as it may have before.
    Begun(Owner),
    /// The pointer was committed: what is older is not needed.
    Committed(Owner, Pointer),
    /// Blobs that were kept for commits, and that no commit names any more.
    Gone(Owner, Vec<Pointer>),
}

/// A thread that writes snapshots. It ends when this is dropped, after what was handed over; one that takes too
/// long for that is left to itself.
#[derive(Debug)]
pub struct Writer {
    messages: Option<Sender<Message>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
    /// What does the work instead of the thread.
    in_turn: Option<Mutex<(Chains, Sender<Done>)>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(vault: Vault) -> Result<Self, std::io::Error> {
        let (messages, inbox) = channel();
        let (outbox, done) = channel();
        let thread = std::thread::Builder::new().name("snapshots".to_owned()).spawn(move || {
            let mut chains = Chains::new(vault, Merger::default());
            for message in inbox {
                if let Some(done) = chains.handle(message) {
                    let _ = outbox.send(done);
                }
            }
        })?;
        Ok(Writer { messages: Some(messages), done, thread: Some(thread), in_turn: None })
    }

    /// Writes in the thread that hands over, which waits for it.
    pub fn in_turn(vault: Vault) -> Self {
        let (outbox, done) = channel();
        let chains = Chains::new(vault, Merger::in_turn());
        Writer { messages: None, done, thread: None, in_turn: Some(Mutex::new((chains, outbox))) }
    }

    /// A task begins with the files of the snapshot that it was restored from, or with none.
    pub fn open(&self, owner: Owner, restored: Option<&Manifest>) {
        self.send(Message::Open(owner, restored.map(Manifest::runs).unwrap_or_default()));
    }

    /// Hands a cut over.
    pub fn write(&self, cut: Cut) {
        self.send(Message::Write(cut));
    }

    /// Says that a task has committed.
    pub fn begun(&self, owner: Owner) {
        self.send(Message::Begun(owner));
    }

    /// Says that a pointer was committed.
    pub fn committed(&self, owner: Owner, pointer: Pointer) {
        self.send(Message::Committed(owner, pointer));
    }

    /// Says that no commit names these blobs any more.
    pub fn gone(&self, owner: Owner, pointers: Vec<Pointer>) {
        self.send(Message::Gone(owner, pointers));
    }

    /// What came of earlier cuts, if it is there.
    pub fn done(&self) -> impl Iterator<Item = Done> {
        self.done.try_iter()
    }

    /// What comes next of earlier cuts; none when it takes too long, or when nothing comes any more.
    pub fn wait(&self, longest: Duration) -> Option<Done> {
        self.done.recv_timeout(longest).ok()
    }

    fn send(&self, message: Message) {
        if let Some(in_turn) = &self.in_turn {
            let (chains, outbox) = &mut *in_turn.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = chains.handle(message).map(|done| outbox.send(done));
            return;
        }
        // The thread ends before this does only when it panicked; then there are no snapshots, and nothing else is amiss.
        if let Some(messages) = &self.messages {
            let _ = messages.send(message);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.messages = None;
        let Some(thread) = self.thread.take() else { return };
        let started = Instant::now();
        while !thread.is_finished() {
            if started.elapsed() >= Duration::from_millis(END_MS_MAX) {
                return warn!("the store does not answer; a snapshot that was begun may stay without its manifest");
            }
            std::thread::sleep(Duration::from_millis(END_LOOK_MS));
        }
    }
}

impl Chains {
    fn handle(&mut self, message: Message) -> Option<Done> {
        match message {
            Message::Open(owner, runs) => {
                self.open(owner, runs);
                None
            }
            Message::Write(cut) => {
                let owner = cut.owner.clone();
                let pointer = self.write(cut);
                Some(Done { owner, pointer })
            }
            Message::Begun(owner) => {
                if let Err(error) = self.vault().begin(&owner) {
                    warn!(%owner, %error, "nobody will notice when the offset of this task is lost");
                }
                None
            }
            Message::Committed(owner, pointer) => {
                if let Err(error) = self.vault().clean(&owner, &pointer) {
                    debug!(%owner, %error, "old snapshots stay");
                }
                None
            }
            Message::Gone(owner, pointers) => {
                if let Err(error) = pointers.iter().try_for_each(|pointer| self.vault().forget(&owner, pointer)) {
                    debug!(%owner, %error, "blobs of old commits stay");
                }
                None
            }
        }
    }
}

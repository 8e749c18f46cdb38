//! Ctrl-C and the signal to terminate: the first asks everything to stop, the second ends the process at once. Services
//! also stop for a while, to make way for what is done without them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::Error;
use crate::exit::Exit;
use crate::output::note;

/// Time between two looks at signals.
const LOOK_MS: u64 = 50;
/// How often a folder is removed that others may still be writing to.
const CLEAR_TIMES: u32 = 10;

/// Set by signals and read by everything that runs for long.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    /// Somebody asked, and it is not only for a while.
    asked: Arc<AtomicBool>,
    making_way: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
    scratch: Arc<Mutex<Option<PathBuf>>>,
}

impl Signals {
    /// Starts listening.
    pub fn listen() -> Result<Self, Error> {
        let signals = Self::default();
        let failed = |error: std::io::Error| Error::Failed(format!("cannot listen for signals: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let heard = signals.clone();
        let name = "signals".to_owned();
        thread::Builder::new().name(name).spawn(move || runtime.block_on(heard.hear())).map_err(failed)?;
        Ok(signals)
    }

    async fn hear(self) {
        loop {
            let interrupted = next().await;
            if self.asked.swap(true, Ordering::SeqCst) {
                self.clear();
                std::process::exit(i32::from(Exit::Interrupted.number()));
            }
            self.interrupted.store(interrupted, Ordering::Relaxed);
            self.stop.store(true, Ordering::SeqCst);
            note("stopping; once more ends it at once");
        }
    }

    /// Names a folder that shall not outlive the process, not even when a second signal ends it at once.
    pub fn scratch(&self, folder: &Path) {
        *self.scratch.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder.to_owned());
    }

    /// Removes that folder under the hands of those who still write.
    fn clear(&self) {
        let Some(folder) = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        for _ in 0..CLEAR_TIMES {
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
                _ => thread::sleep(Duration::from_millis(LOOK_MS)),
            }
        }
    }

    /// The flag that asks services to stop.
    pub fn stop(&self) -> &Arc<AtomicBool> {
        &self.stop
    }

    /// Asks services to stop for a while.
    pub fn make_way(&self) {
        self.making_way.store(true, Ordering::SeqCst);
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Whether services stop or have stopped for a while only.
    pub fn making_way(&self) -> bool {
        self.making_way.load(Ordering::SeqCst) && !self.asked()
    }

    /// Takes back that services shall stop, once those have ended that ran until all was through or that made way. Not
    /// where somebody asked to stop.
    pub fn go_on(&self) -> Result<(), Error> {
        self.making_way.store(false, Ordering::SeqCst);
        self.stop.store(false, Ordering::SeqCst);
        if self.asked() {
            self.stop.store(true, Ordering::SeqCst);
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    /// Whether a signal asked to stop.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Whether somebody asked to stop.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Ends the process with the first signal, for a command that waits for others and has nothing to put in order.
    pub fn leave_at_once(&self) -> Result<(), Error> {
        let signals = self.clone();
        let leave = move || {
            while !signals.stopping() {
                thread::sleep(Duration::from_millis(LOOK_MS));
            }
            std::process::exit(i32::from(Exit::Interrupted.number()));
        };
        let spawned = thread::Builder::new().name("leave".to_owned()).spawn(leave);
        spawned.map(drop).map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))
    }

    /// Ends with the code of Ctrl-C if that is what stopped the program.
    pub fn check(&self) -> Result<(), Error> {
        match self.interrupted.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }
}

/// Waits for a signal; true when it was Ctrl-C.
#[cfg(unix)]
async fn next() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return tokio::signal::ctrl_c().await.is_ok();
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => true,
        _ = terminate.recv() => false,
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
async fn next() -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}

//! `tidemill top`: what running services do, again and again.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::cli::Global;
use crate::cli::top::Top;
use crate::error::Error;
use crate::output::Output;
use crate::remote::Remote;
use crate::signals::Signals;
use crate::top::draw;
use crate::top::look::Gateways;
use crate::top::model::{History, Look};

/// Longest that a key waits to be seen.
#[cfg(unix)]
const KEY_WAIT: Duration = Duration::from_millis(50);
/// What ends it.
#[cfg(unix)]
const QUIT: [u8; 2] = [b'q', b'Q'];

pub fn run(global: &Global, output: Output, options: &Top) -> Result<(), Error> {
    let signals = Signals::listen()?;
    let gateways = Gateways::new(remotes(global, &options.gateways)?);
    #[cfg(unix)]
    if !options.once && !output.is_json() {
        let terminal = crate::top::terminal::Terminal::take().map_err(|error| no_terminal(&error))?;
        if let Some(terminal) = terminal {
            return watch(&terminal, looking(gateways, options.interval)?, &signals);
        }
    }
    once(output, &gateways, options.interval, &signals)
}

fn remotes(global: &Global, named: &[String]) -> Result<Vec<Remote>, Error> {
    match (named, &global.gateway) {
        ([], Some(address)) => Ok(vec![Remote::named(address, global)?]),
        ([], None) => Ok(vec![Remote::of(&global.data).unwrap_or_else(|| Remote::at(gateway::LISTEN))]),
        (named, _) => named.iter().map(|address| Remote::named(address, global)).collect(),
    }
}

/// One picture, of what happens between two looks.
fn once(output: Output, gateways: &Gateways, interval: Duration, signals: &Signals) -> Result<(), Error> {
    signals.leave_at_once()?;
    let mut history = History::default();
    let first = gateways.look();
    if let Some(silent) = silent(&first) {
        return Err(Error::Outside(silent));
    }
    history.take(first);
    thread::sleep(interval);
    let look = gateways.look();
    let rows = history.take(look.clone());
    output.show(|| draw::text(&look, &rows), || draw::value(&look, &rows))
}

/// What the gateways say where none answers.
fn silent(look: &Look) -> Option<String> {
    let said: Option<Vec<String>> = look.gateways.iter().map(|(_, seen)| seen.as_ref().err().cloned()).collect();
    said.map(|said| format!("{}; name the gateways of running services", said.join("; ")))
}

/// Looks in a thread of its own, so that a slow gateway holds up no key.
fn looking(gateways: Gateways, interval: Duration) -> Result<Receiver<Look>, Error> {
    let (looks, seen) = channel();
    let look = move || {
        while looks.send(gateways.look()).is_ok() {
            thread::sleep(interval);
        }
    };
    let spawned = thread::Builder::new().name("top".to_owned()).spawn(look);
    spawned.map(|_| seen).map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))
}

#[cfg(unix)]
fn watch(terminal: &crate::top::terminal::Terminal, looks: Receiver<Look>, signals: &Signals) -> Result<(), Error> {
    let mut history = History::default();
    terminal.show("looking …").map_err(|error| no_terminal(&error))?;
    while !signals.stopping() {
        match looks.recv_timeout(Duration::ZERO) {
            Ok(look) => {
                let rows = history.take(look.clone());
                let text = draw::text(&look, &rows) + "\nq ends this\n";
                terminal.show(&text).map_err(|error| no_terminal(&error))?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Error::Failed("nobody looks any more".to_owned())),
        }
        match terminal.key(KEY_WAIT).map_err(|error| no_terminal(&error))? {
            Some(key) if QUIT.contains(&key) => return Ok(()),
            _ => {}
        }
    }
    signals.check()
}

#[cfg(unix)]
fn no_terminal(error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::Closed,
        _ => Error::Failed(format!("the terminal cannot be used: {error}")),
    }
}

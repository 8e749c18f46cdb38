//! The log, the store and the schema registry that the global options name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use registry::schemas::{ConfluentRegistry, FileRegistry};
use registry::store::Store;
use runtime::embedded::Embedded;
use runtime::kafka::Kafka;
use runtime::log::{self, Log};
use schemas::registry::SchemaRegistry;

use super::{LOG_DIR, STORE_DIR};
use crate::cli::Global;
use crate::error::Error;
use crate::remote::Remote;

/// Whether the options lead to a log, be it through a gateway or directly.
pub(super) fn has_log(global: &Global) -> bool {
    global.gateway.is_some() || has_own_log(global)
}

/// Whether they lead to one with brokers or in the data directory.
pub(super) fn has_own_log(global: &Global) -> bool {
    global.brokers.is_some() || global.data.join(LOG_DIR).is_dir()
}

/// An error where a gateway stands before the log: it does not tell what tasks have committed, and makes no topics. Brokers
/// are asked directly, whatever gateway is named beside them.
pub fn check_direct(global: &Global) -> Result<(), Error> {
    let (None, Some(address)) = (&global.brokers, &global.gateway) else { return Ok(()) };
    let remote = Remote::named(address, global)?;
    remote.health()?;
    Err(Error::Input(format!(
        "the gateway at {} does not tell what tasks have committed, nor does it make topics; stop its process and name its --data, or name the brokers with --brokers",
        remote.address()
    )))
}

/// An error where no store is: whoever only looks makes none.
pub fn check_store(global: &Global) -> Result<(), Error> {
    match global.store.is_some() || global.data.join(STORE_DIR).is_dir() {
        true => Ok(()),
        false => Err(Error::Input(format!(
            "there is no store in {}; run `tidemill up` or `tidemill apply` first, or name the place with --data or --store",
            global.data.join(STORE_DIR).display()
        ))),
    }
}

/// The store alone, for commands that need no log.
pub fn open_store(global: &Global) -> Result<Store, Error> {
    Ok(match &global.store {
        Some(place) => Store::open(place)?,
        None => Store::local(&global.data.join(STORE_DIR))?,
    })
}

pub(super) fn open_log(global: &Global) -> Result<Arc<dyn Log>, Error> {
    let Some(brokers) = &global.brokers else {
        if !global.kafka.is_empty() {
            return Err(Error::Input("--kafka sets the Kafka client, but no --brokers are named".to_owned()));
        }
        return open_embedded(&global.data.join(LOG_DIR));
    };
    let settings: BTreeMap<String, String> = global.kafka.iter().cloned().collect();
    Ok(Arc::new(Kafka::connect(brokers, &settings)?))
}

/// A log, and the gateway it is reached through.
pub(super) type Opened = (Arc<dyn Log>, Option<Remote>);

pub(super) fn open_shared(global: &Global) -> Result<Opened, Error> {
    let through = |remote: Remote| -> Opened { (Arc::new(remote.clone()), Some(remote)) };
    if let Some(address) = &global.gateway {
        return Ok(through(Remote::named(address, global)?));
    }
    match open_log(global) {
        Ok(log) => Ok((log, None)),
        Err(error @ Error::Outside(_)) => Remote::of(&global.data).map(through).ok_or(error),
        Err(error) => Err(error),
    }
}

pub(super) fn open_embedded(dir: &Path) -> Result<Arc<dyn Log>, Error> {
    match Embedded::open(dir) {
        Ok(log) => Ok(Arc::new(log)),
        Err(log::Error::Locked { path, pid }) => {
            let holder = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
            Err(Error::Outside(format!(
                "the log in {} is open in another process{holder}, and only one at a time can have it; stop that one first (publish, tap, topics and model promote reach it through its gateway if it runs one)",
                path.display()
            )))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn open_schemas(global: &Global, store: &Store) -> Result<Arc<dyn SchemaRegistry>, Error> {
    match &global.schema_registry {
        None => Ok(Arc::new(FileRegistry::new(store.clone()))),
        Some(url) => {
            let client = ConfluentRegistry::new(url);
            Ok(Arc::new(client.map_err(|error| Error::Input(format!("--schema-registry: {error}")))?))
        }
    }
}

//! `tidemill snapshot`: what is kept of the tasks' state, and whether it is good.

use std::time::Instant;

use featurizer::{Featurizer, Role};
use flow::snapshot::Blob;
use registry::store::Store;
use runtime::context::Context;
use runtime::log::TopicPartition;
use runtime::shell::Service;
use runtime::snapshot::{self, Manifest, Name, Owner, Vault};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::snapshot::{Snapshot, SnapshotArgs};
use crate::environment::{Environment, Workshop};
use crate::error::Error;
use crate::output::{Output, table};

/// A snapshot, or why it cannot be had.
struct Row {
    owner: Owner,
    name: Name,
    found: Result<Manifest, String>,
}

pub fn run(global: &Global, output: Output, command: &Snapshot) -> Result<(), Error> {
    match command {
        Snapshot::List { of } => list(global, output, of),
        Snapshot::Show { of } => show(global, output, of),
        Snapshot::Verify { of } => verify(global, output, of),
        Snapshot::Restore { of } => restore(global, output, of),
    }
}

/// All snapshots that are meant, read by `read`.
fn rows(
    vault: &Vault,
    of: &SnapshotArgs,
    read: impl Fn(&Owner, &Name) -> Result<Manifest, snapshot::Error>,
) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for owner in vault.owners().map_err(failed)?.into_iter().filter(|owner| of.means(owner)) {
        for name in vault.list(&owner).map_err(failed)? {
            let found = read(&owner, &name).map_err(|error| error.to_string());
            rows.push(Row { owner: owner.clone(), name, found });
        }
    }
    Ok(rows)
}

/// The newest snapshot of each task that is meant.
fn newest(store: &Store, of: &SnapshotArgs) -> Result<Vec<(Owner, Name)>, Error> {
    let vault = Vault::new(store.clone());
    let mut found = Vec::new();
    for owner in vault.owners().map_err(failed)?.into_iter().filter(|owner| of.means(owner)) {
        found.extend(vault.list(&owner).map_err(failed)?.into_iter().next().map(|name| (owner, name)));
    }
    if found.is_empty() {
        return Err(Error::Input(none(store, of)?));
    }
    Ok(found)
}

fn list(global: &Global, output: Output, of: &SnapshotArgs) -> Result<(), Error> {
    let store = Workshop::open(global)?.store;
    let vault = Vault::new(store.clone());
    let rows = rows(&vault, of, |owner, name| vault.manifest(owner, name))?;
    if rows.is_empty() {
        crate::output::note(&none(&store, of)?);
    }
    output.show(|| text(&rows), || rows.iter().map(value).collect())
}

/// That there are no snapshots, and where they were looked for.
fn none(store: &Store, of: &SnapshotArgs) -> Result<String, Error> {
    let place = store.place();
    let owners = Vault::new(store.clone()).owners().map_err(failed)?;
    let others = owners.into_iter().filter(|owner| !of.means(owner)).count();
    Ok(match others {
        0 => format!(
            "there are no snapshots in {place}; tasks write them there, unless --data or --store name another place"
        ),
        others => {
            format!("none of the {others} tasks with snapshots in {place} is meant; leave LOG and --partition out")
        }
    })
}

fn verify(global: &Global, output: Output, of: &SnapshotArgs) -> Result<(), Error> {
    let vault = Vault::new(Workshop::open(global)?.store);
    let rows = rows(&vault, of, |owner, name| {
        let loaded = vault.load(owner, name)?;
        loaded.verify()?;
        Ok(loaded.manifest)
    })?;
    output.show(|| text(&rows), || rows.iter().map(value).collect())?;
    let bad = rows.iter().filter(|row| row.found.is_err()).count();
    if bad > 0 {
        return Err(Error::Failed(format!("{bad} of {} snapshots are damaged; tasks pass them over", rows.len())));
    }
    Ok(())
}

fn show(global: &Global, output: Output, of: &SnapshotArgs) -> Result<(), Error> {
    let store = Workshop::open(global)?.store;
    let vault = Vault::new(store.clone());
    for (owner, name) in newest(&store, of)? {
        let manifest = vault.manifest(&owner, &name).map_err(failed)?;
        let header = Blob::header(&manifest.blob).map_err(|error| Error::Failed(error.to_string()))?;
        let row = Row { owner, name, found: Ok(manifest) };
        let shown = || {
            let state = serde_json::to_string_pretty(&header).unwrap_or_default();
            format!("{}\n{state}", text(std::slice::from_ref(&row)))
        };
        output.show(shown, || {
            let mut value = value(&row);
            value["state"] = json!(header);
            value
        })?;
    }
    Ok(())
}

/// Puts the newest snapshots into tasks in memory, and compares the state that comes out; nothing else changes.
fn restore(global: &Global, output: Output, of: &SnapshotArgs) -> Result<(), Error> {
    let environment = Environment::existing(global)?;
    let vault = Vault::new(environment.store.clone());
    for (owner, name) in newest(&environment.store, of)? {
        let started = Instant::now();
        let Some(role) = role(&environment.context, &owner) else {
            crate::output::note(&format!(
                "{owner}: left out, only tasks of the featurizer in the newest generation are tried; `snapshot verify` checks it"
            ));
            continue;
        };
        let tp = TopicPartition::new(owner.log.as_str(), owner.partition);
        let mut opened = Featurizer::new(environment.context.clone(), role)
            .spilling(environment.spill())
            .open(&tp, None)
            .map_err(runtime::shell::Error::from)?;
        let Some(state) = opened.task.state() else { continue };
        let loaded = vault.load(&owner, &name).map_err(failed)?;
        let from = loaded.restore(state).map_err(failed)?;
        let (hash, entries) = (state.hash(), loaded.verify().map_err(failed)?.entries);
        if Some(hash) != loaded.manifest.sum() {
            let wanted = &loaded.manifest.sum;
            return Err(Error::Failed(format!(
                "{owner} at {}: the state is {hash:032x} and not {wanted}",
                name.position
            )));
        }
        let elapsed_ms = started.elapsed().as_millis() as u64;
        let position = name.position;
        let shown = || {
            format!(
                "{owner} at {position}: {entries} entries in {elapsed_ms} ms, state {hash:032x}; a task would read on from {from}"
            )
        };
        output.show(shown, || {
            json!({"group": owner.group, "log": owner.log, "partition": owner.partition, "position": position,
                "entries": entries, "elapsed_ms": elapsed_ms, "state": format!("{hash:032x}"), "from": from})
        })?;
    }
    Ok(())
}

/// The featurizer's task whose snapshots these are. Others read its logs, too.
fn role(context: &Context, owner: &Owner) -> Option<Role> {
    let is_own = |task: &flow::plan::Task| task.group_id == owner.group && task.reads.contains(&owner.log);
    let is_featurizer = context.plan.tasks_of(flow::plan::Service::Featurizer).any(is_own);
    let mut roles = Featurizer::roles(context).into_iter().filter(|_| is_featurizer);
    roles.find(|(_, log)| *log == owner.log).map(|(role, _)| role)
}

fn text(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let Row { owner, name, found } = row;
        let mut cells = vec![owner.log.clone(), owner.partition.to_string(), name.position.to_string()];
        match found {
            Ok(manifest) => cells.extend([
                manifest.files.len().to_string(),
                manifest.bytes().to_string(),
                manifest.sum.clone(),
                owner.group.clone(),
            ]),
            Err(error) => {
                cells.extend(["-".to_owned(), "-".to_owned(), format!("damaged: {error}"), owner.group.clone()])
            }
        }
        cells
    };
    let headings = ["LOG", "PARTITION", "POSITION", "FILES", "BYTES", "STATE", "GROUP"];
    table(&headings, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn value(row: &Row) -> Value {
    let Row { owner, name, found } = row;
    let manifest = found.as_ref().ok();
    json!({
        "group": owner.group, "log": owner.log, "partition": owner.partition,
        "position": name.position, "digest": name.digest,
        "files": manifest.map(|manifest| &manifest.files), "state": manifest.map(|manifest| &manifest.sum),
        "damaged": found.as_ref().err(),
    })
}

fn failed(error: snapshot::Error) -> Error {
    match error {
        snapshot::Error::Store(error) => error.into(),
        other => Error::Failed(other.to_string()),
    }
}

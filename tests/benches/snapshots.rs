//! Snapshots: what taking one costs the thread that handles records, and how long a restart takes, with a million keys.
//!
//! `cargo bench -p tests --bench snapshots`. Targets: less than a twentieth of the thread at one snapshot in ten seconds, no
//! step longer than a poll, and state back within ten seconds. The state is that of the shipped pipeline's first stage: 8
//! events a key within 30 days; a second snapshot holds the 50,000 keys that changed since.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use features::window::{Engine, Key};
use flow::snapshot::{Blob, Changes, State};
use flow::state::Pointer;
use registry::store::Store;
use runtime::snapshot::{Cut, Owner, Vault, Writer};

const KEYS: usize = 1_000_000;
const EVENTS_PER_KEY: i64 = 8;
const CHANGED: usize = 50_000;
const HOUR_US: i64 = 3_600_000_000;
/// Entries collected between two polls, as the shell does.
const STEP: usize = 4_096;

struct Filled {
    engine: Engine,
    position: i64,
}

impl Filled {
    fn events(&mut self, keys: usize, time_us: i64) {
        let mut out = vec![None; self.engine.width()];
        for key in 0..keys {
            let text = key.to_string();
            self.engine.event(Some(Key::new(&text)), time_us, &[Some(key as f64 / 8.0)], &mut out);
        }
    }

    fn cut(&mut self) -> Changes {
        let (started, mut longest) = (Instant::now(), Duration::ZERO);
        self.engine.cut();
        let changes = loop {
            let step = Instant::now();
            let done = self.engine.collect(STEP);
            longest = longest.max(step.elapsed());
            if let Some(changes) = done {
                break changes;
            }
        };
        let (busy, bytes) = (started.elapsed(), changes.bytes.len());
        println!("cut: {} entries, {bytes} bytes, thread busy {busy:?}, longest step {longest:?}", changes.count);
        changes
    }
}

fn main() {
    let pipeline = tests::pipeline::fraud(&[]);
    let plan = flow::plan::plan(&pipeline);
    let names = Arc::new(plan.numbered());
    let stage = || features::Stage::new(&pipeline, &plan, &names, 0, 0).unwrap();
    let group = features::stage::group(&pipeline, &pipeline.features.entities[0]).unwrap();
    let mut filled = Filled { engine: Engine::new(&group, pipeline.lateness_us), position: 0 };
    filled.engine.track();
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::new(Store::local(dir.path()).unwrap());
    let writer = Writer::start(vault.clone()).unwrap();
    let owner = Owner { group: "bench".to_owned(), log: "bench".to_owned(), partition: 0 };
    for event in 0..EVENTS_PER_KEY {
        filled.events(KEYS, event * HOUR_US);
    }
    write(&mut filled, &writer, &owner, &mut stage());
    filled.events(CHANGED, EVENTS_PER_KEY * HOUR_US);
    let pointer = write(&mut filled, &writer, &owner, &mut stage());

    let started = Instant::now();
    let loaded = vault.load(&owner, &(&pointer).into()).unwrap();
    println!("load: files read and digests checked in {:?}", started.elapsed());
    let (started, mut restored) = (Instant::now(), stage());
    loaded.restore(&mut restored).unwrap();
    println!("restore: {} keys merged, checked and taken up in {:?}", restored.keys(), started.elapsed());
    let started = Instant::now();
    assert_eq!(restored.hash(), filled.engine.hash());
    println!("both states hashed by walking over them, and equal, in {:?}", started.elapsed());
}

/// Writes a snapshot as the stage would that has this engine.
fn write(filled: &mut Filled, writer: &Writer, owner: &Owner, stage: &mut features::Stage) -> Pointer {
    let changes = filled.cut();
    filled.position += 1;
    let mut blob = Blob::<serde_json::Value>::read(&stage.cut()).unwrap();
    blob.own["clocks"] = serde_json::json!(filled.engine.clocks());
    let cut =
        Cut { owner: owner.clone(), position: filled.position, layout: stage.layout(), blob: blob.text(), changes };
    let started = Instant::now();
    writer.write(cut);
    let done = std::iter::repeat_with(|| {
        std::thread::sleep(Duration::from_millis(1));
        writer.done().next()
    });
    let pointer = done.flatten().next().unwrap().pointer.unwrap();
    println!("write: in {:?}", started.elapsed());
    pointer
}

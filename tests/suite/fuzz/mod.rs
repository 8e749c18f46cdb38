//! Bytes that nobody meant. Whatever reads bytes from outside is given each file of `tests/fuzz/corpus` and variations of
//! it, and must answer: a panic, or an answer that contradicts another one, fails the test and leaves the bytes in the
//! corpus, where they are tried first from then on.
//!
//! A variation whose answer is a new one is varied further. `TIDEMILL_FUZZ_SECONDS` goes on for so long instead of the
//! usual few rounds; `TIDEMILL_FUZZ_SEED` begins elsewhere; `TIDEMILL_FUZZ_CORPUS=1` writes the corpus anew.

mod decode;
mod framing;
mod http;
mod items;
mod ledger;
mod pipeline;
mod seeds;
mod snapshot;
mod vary;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vary::Variations;

/// Variations that are tried when no time is named.
const ROUNDS: u64 = 400;
/// So much of an answer counts.
const ANSWER_CHARS_MAX: usize = 60;
/// Interesting inputs that are kept.
const POOL_MAX: usize = 4_000;
/// An answer that takes longer is a failure, too.
const ANSWER_SECONDS_MAX: u64 = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap())
}

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// The corpus of a target, in the order of its files' names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = std::fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus of {target} is there");
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Gives `target` its corpus and variations of it; its answers are texts.
fn fuzz(target: &str, words: &[&str], mut answer: impl FnMut(&[u8]) -> String) {
    let (mut known, mut pool, mut slowest) = (BTreeSet::new(), Vec::new(), Duration::ZERO);
    let mut executions = 0_u64;
    let mut give = |bytes: Vec<u8>, pool: &mut Vec<Vec<u8>>| {
        let begin = Instant::now();
        let answered = catch_unwind(AssertUnwindSafe(|| answer(&bytes)));
        let Ok(answered) = answered else {
            let file = folder(target).join(format!("found-{:016x}", named(&bytes)));
            std::fs::write(&file, &bytes).unwrap();
            panic!("{target} does not answer, see above; the bytes are in {}", file.display());
        };
        slowest = slowest.max(begin.elapsed());
        assert!(slowest.as_secs() < ANSWER_SECONDS_MAX, "{target} took {slowest:?}");
        executions += 1;
        if known.insert(unquoted(&answered)) && pool.len() < POOL_MAX {
            pool.push(bytes);
        }
    };
    let files = corpus(target);
    for bytes in &files {
        give(bytes.clone(), &mut pool);
    }
    let mut variations = Variations::new(number("TIDEMILL_FUZZ_SEED").unwrap_or(1), words);
    let (begin, seconds) = (Instant::now(), number("TIDEMILL_FUZZ_SECONDS"));
    let goes_on = |round| seconds.map_or(round < ROUNDS, |seconds| begin.elapsed().as_secs() < seconds);
    for _ in (0..).take_while(|round| goes_on(*round)) {
        let bytes = variations.of(&files, &pool);
        give(bytes, &mut pool);
    }
    if seconds.is_some() {
        eprintln!("{target}: {executions} executions, {} different answers, slowest {slowest:?}", known.len());
    }
}

/// An answer without what it quotes, numbers included: what is left tells paths through the code apart.
fn unquoted(answer: &str) -> String {
    let parts = answer.split(['`', '"', '\'']).step_by(2);
    parts.flat_map(str::chars).filter(|letter| !letter.is_ascii_digit()).take(ANSWER_CHARS_MAX).collect()
}

/// A name for bytes (FNV-1a).
fn named(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn avro_bodies() {
    let mut target = decode::Target::new();
    fuzz("decode", &[], |bytes| target.answer(bytes));
}

#[test]
fn framed_values() {
    fuzz("framing", &[], framing::answer);
}

#[test]
fn records_of_internal_logs() {
    let mut target = items::Target::new();
    fuzz("items", &[], |bytes| target.answer(bytes));
}

#[test]
fn snapshot_files() {
    let target = snapshot::Target::new();
    fuzz("snapshot", snapshot::WORDS, |bytes| target.answer(bytes));
}

#[test]
fn rows_of_the_ledger() {
    let mut target = ledger::Target::new();
    fuzz("ledger", &[], |bytes| target.answer(bytes));
}

#[test]
fn pipeline_files() {
    fuzz("pipeline", pipeline::WORDS, pipeline::answer);
}

#[test]
fn http_bodies() {
    let target = http::Target::start();
    fuzz("http", http::WORDS, |bytes| target.answer(bytes));
    target.stop();
}

#[test]
fn the_corpus_can_be_written_anew() {
    if number("TIDEMILL_FUZZ_CORPUS").is_some() {
        seeds::write();
    }
}

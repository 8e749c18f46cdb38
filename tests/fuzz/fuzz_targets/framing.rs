//! Framing of values.
#![no_main]

#[path = "../../suite/fuzz/framing.rs"]
mod framing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(framing::answer(bytes)));

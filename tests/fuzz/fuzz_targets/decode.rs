//! Avro bodies to Arrow.
#![no_main]

#[path = "../../suite/fuzz/decode.rs"]
mod decode;

use std::cell::RefCell;

thread_local! {
    static TARGET: RefCell<decode::Target> = RefCell::new(decode::Target::new());
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(TARGET.with_borrow_mut(|target| target.answer(bytes))));

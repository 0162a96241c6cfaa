#![no_main]

#[path = "../../it/fuzzed/event.rs"]
mod event;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| event::check(bytes));

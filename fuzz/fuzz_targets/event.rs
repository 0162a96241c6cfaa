#![no_main]

#[path = "../../tests/it/fuzzed/event.rs"]
mod event;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| event::check(bytes));

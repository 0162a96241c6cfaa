#![no_main]

#[path = "../../it/fuzzed/record.rs"]
mod record;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| record::check(bytes));

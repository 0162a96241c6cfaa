#![no_main]

#[path = "../../tests/it/fuzzed/response.rs"]
mod response;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| response::check(bytes));

#![no_main]

#[path = "../../it/fuzzed/response.rs"]
mod response;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| response::check(bytes));

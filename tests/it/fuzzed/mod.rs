//! Checks that must hold for any bytes: as an event, as the response of a service, and as a record.
//!
//! The fuzz targets in `tests/fuzz/` use these checks to look for bytes that break them (`make fuzz`). The tests here
//! run them on the files in `tests/fuzz/corpus`, so that a bug that was found once stays fixed.
//!
//! `cargo test --locked --test it fuzzed::`; the output of a failing test ends with the path of the file.

mod event;
mod record;
mod response;

use std::path::Path;

/// Runs a check on every file of a corpus, and on no bytes at all.
fn replay(corpus: &str, check: impl Fn(&[u8])) {
    check(b"");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(corpus);
    let mut files = 0;
    for file in std::fs::read_dir(folder).expect("the corpus exists") {
        let path = file.expect("an entry").path();
        // Cargo shows this if the check panics.
        println!("{}", path.display());
        check(&std::fs::read(&path).expect("a readable file"));
        files += 1;
    }
    assert!(files >= 10, "{corpus} has only {files} files");
}

#[test]
fn events() {
    replay("event", event::check);
}

#[test]
fn service_responses() {
    replay("response", response::check);
}

#[test]
fn records() {
    replay("record", record::check);
}

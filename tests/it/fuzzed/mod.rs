//! What has to hold whatever comes in. The targets in `fuzz/` look for bytes that break it; the tests here try those that
//! are kept in `fuzz/corpus`, so that whatever was once found stays found.

mod event;
mod record;
mod response;

use std::path::Path;

/// Runs a target over every file of its corpus, and once over nothing.
fn replay(corpus: &str, target: impl Fn(&[u8])) {
    target(b"");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(corpus);
    let mut files = 0;
    for file in std::fs::read_dir(folder).expect("the corpus") {
        let path = file.expect("an entry").path();
        // Shown where the target panics.
        println!("{}", path.display());
        target(&std::fs::read(&path).expect("readable"));
        files += 1;
    }
    assert!(files >= 10, "{corpus}: {files} files");
}

#[test]
fn events() {
    replay("event", event::check);
}

#[test]
fn answers_of_services() {
    replay("response", response::check);
}

#[test]
fn records() {
    replay("record", record::check);
}

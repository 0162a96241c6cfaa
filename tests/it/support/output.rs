//! Reads what a function writes, line by line, and looks for its credentials there.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::Child,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

/// The secret access key of each function under test.
pub(crate) const SECRET_KEY: &str = "secret-of-the-tests";
/// The session token of each function under test.
pub(crate) const SESSION_TOKEN: &str = "token-of-the-tests";

/// The output of a process, read until the process ends.
pub(super) struct Output {
    /// The lines of standard output so far.
    pub(super) lines: Arc<Mutex<Vec<String>>>,
    readers: [JoinHandle<Vec<String>>; 2],
}

impl Output {
    /// Reads both output streams of a process. Both must be piped.
    pub(super) fn of(child: &mut Child) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&lines);
        let stdout = child.stdout.take().expect("piped");
        let stdout = follow(stdout, move |line| log.lock().expect("not poisoned").push(line));
        // Lambda logs standard error, too. Cargo shows it for tests that fail.
        let stderr = follow(child.stderr.take().expect("piped"), |line| eprintln!("{line}"));
        Self { lines, readers: [stdout, stderr] }
    }

    /// Waits for the end of the output and returns every line with a secret.
    pub(super) fn into_secrets(self) -> Vec<String> {
        self.readers.into_iter().flat_map(|reader| reader.join().expect("the reader does not panic")).collect()
    }
}

/// Passes each line to `take`, in a thread that returns the lines with a secret.
fn follow(stream: impl Read + Send + 'static, take: impl Fn(String) + Send + 'static) -> JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut secrets = Vec::new();
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if [SECRET_KEY, SESSION_TOKEN].iter().any(|secret| line.contains(secret)) {
                secrets.push(line.clone());
            }
            take(line);
        }
        secrets
    })
}

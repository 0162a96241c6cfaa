//! What a function writes, line by line, with an eye on the credentials that it was given.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::Child,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

/// The secret part of whatever credentials a function is given.
pub(crate) const SECRET_KEY: &str = "secret-of-the-tests";
/// Just as secret.
pub(crate) const SESSION_TOKEN: &str = "token-of-the-tests";

/// Follows a process to its end.
pub(super) struct Output {
    /// Of standard output.
    pub(super) lines: Arc<Mutex<Vec<String>>>,
    readers: [JoinHandle<Vec<String>>; 2],
}

impl Output {
    /// Follows both streams of a process, which are to be piped.
    pub(super) fn of(child: &mut Child) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&lines);
        let stdout = child.stdout.take().expect("piped");
        let stdout = follow(stdout, move |line| log.lock().expect("not poisoned").push(line));
        // Lambda logs this, too; a test that fails shows it.
        let stderr = follow(child.stderr.take().expect("piped"), |line| eprintln!("{line}"));
        Self { lines, readers: [stdout, stderr] }
    }

    /// Every line that told a secret, of a process that has ended.
    pub(super) fn into_secrets(self) -> Vec<String> {
        self.readers.into_iter().flat_map(|reader| reader.join().expect("no panic")).collect()
    }
}

/// Hands over each line; returns those that tell a secret.
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

//! A private certificate authority, in a file as a function needs it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use fake_aws::Tls;

/// The authority. Its file is removed when it is dropped, so it must live until the functions have started.
pub(crate) struct PrivateCa {
    pub(crate) tls: Tls,
    file: PathBuf,
}

impl PrivateCa {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let tls = Tls::new().expect("certificates");
        let name = format!("ca-{}-{}.pem", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&file, &tls.ca_pem).expect("the file is written");
        Self { tls, file }
    }

    /// The path of its certificate, for `AWS_CA_BUNDLE`.
    pub(crate) fn file(&self) -> &str {
        self.file.to_str().expect("UTF-8")
    }
}

impl Drop for PrivateCa {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

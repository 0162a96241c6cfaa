//! The programs that the benchmark compares.

use std::{collections::BTreeMap, env, fs, path::Path, process::Command};

use anyhow::{Result, ensure};

use crate::services::{CERTIFICATES, LEDGER_TABLE, OWN_ROOT, SYSTEM_ROOTS};

/// The file that `make build` creates. The environment variable `BOOTSTRAP` overrides it.
const BOOTSTRAP: &str = "target/lambda/bootstrap/bootstrap";

pub(crate) const OURS: &str = "this function";
pub(crate) const BASELINE: &str = "baseline";
pub(crate) const STOCK_RUST: &str = "stock Rust";
pub(crate) const PYTHON: &str = "Python";

/// A program that uses the Lambda Runtime API.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// The program and its arguments, relative to the root of the repository.
    pub(crate) command: Vec<String>,
    /// Environment variables in addition to those that all contenders get.
    pub(crate) env: BTreeMap<&'static str, String>,
}

/// This function, the baseline if there is one, and every peer that was built.
///
/// The baseline is another bootstrap file, which the environment variable `BASELINE` names. It runs exactly like this
/// function.
pub(crate) fn all() -> Result<Vec<Contender>> {
    let bootstrap = env::var("BOOTSTRAP").unwrap_or_else(|_| BOOTSTRAP.to_owned());
    ensure!(Path::new(&bootstrap).is_file(), "{bootstrap} does not exist: run `make build`");
    let mut contenders = vec![function(OURS, &bootstrap)];

    // `make bench` passes an empty variable on as it is.
    let baseline = env::var("BASELINE").unwrap_or_default();
    if !baseline.is_empty() {
        ensure!(Path::new(&baseline).is_file(), "BASELINE is {baseline}, which is not a file");
        contenders.push(function(BASELINE, &baseline));
    }

    let python = ["target/peers/python/venv/bin/python", "-m", "awslambdaric", "handler.handler"];
    let peers = [
        contender(
            STOCK_RUST,
            &["target/peers/rust-defaults/release/rust-defaults"],
            &[("SSL_CERT_FILE", &format!("{CERTIFICATES}/{SYSTEM_ROOTS}"))],
        ),
        contender(
            PYTHON,
            &python,
            &[
                ("PYTHONPATH", "benches/peers/python"),
                ("PYTHONDONTWRITEBYTECODE", "1"),
                ("REQUESTS_CA_BUNDLE", &format!("{CERTIFICATES}/{SYSTEM_ROOTS}")),
            ],
        ),
    ];
    for peer in peers {
        if fs::exists(&peer.command[0])? {
            contenders.push(peer);
        } else {
            println!("skipped: {} (not built on this machine)", peer.name);
        }
    }
    Ok(contenders)
}

/// A version of this function, with the ledger.
///
/// On Lambda, the function reads no certificates: it trusts those in its binary. Here, it has to trust the root of the
/// simulated services. A file with nothing else is closest to reading none.
fn function(name: &'static str, bootstrap: &str) -> Contender {
    let own_root = format!("{CERTIFICATES}/{OWN_ROOT}");
    contender(name, &[bootstrap], &[("AWS_CA_BUNDLE", &own_root), ("LEDGER_TABLE", LEDGER_TABLE)])
}

fn contender(name: &'static str, command: &[&str], env: &[(&'static str, &str)]) -> Contender {
    let command = command.iter().map(|&word| word.to_owned()).collect();
    Contender { name, command, env: env.iter().map(|&(name, value)| (name, value.to_owned())).collect() }
}

impl Contender {
    /// Whether this is this function or the baseline.
    pub(crate) fn is_function(&self) -> bool {
        [OURS, BASELINE].contains(&self.name)
    }

    /// The same contender for 1,000 imports in an event.
    ///
    /// It has no ledger, so that it does the same work as the peers. By default, an event can have 480 records, because
    /// the response would not fit into the state of a Step Functions execution. `MAX_RESPONSE_BYTES` raises that limit.
    pub(crate) fn for_1000_imports(&self) -> Self {
        let mut contender = self.clone();
        contender.env.remove("LEDGER_TABLE");
        contender.env.insert("MAX_RESPONSE_BYTES", "6000000".to_owned());
        contender
    }

    /// The same contender under callgrind, which writes its counts to this file.
    pub(crate) fn under_callgrind(&self, counts: &str) -> Self {
        let mut contender = self.clone();
        let callgrind =
            ["valgrind", "--quiet", "--tool=callgrind", &format!("--callgrind-out-file={counts}")].map(str::to_owned);
        contender.command.splice(0..0, callgrind);
        contender
    }

    /// The size in bytes of a zip file with the program. Python's `zipfile` compresses it, as in the SAM CLI.
    pub(crate) fn zip_bytes(&self) -> Result<u64> {
        let zip = "target/benches/function.zip";
        let status = Command::new("python3").args(["-m", "zipfile", "-c", zip, &self.command[0]]).status()?;
        ensure!(status.success(), "python3 cannot create the zip file");
        Ok(fs::metadata(zip)?.len())
    }
}

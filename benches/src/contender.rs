//! The programs that the benchmark compares.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{self, Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::services::LEDGER_TABLE;

/// The file that `make build` creates. The environment variable `BOOTSTRAP` overrides it.
const BOOTSTRAP: &str = "target/lambda/bootstrap/bootstrap";
const PEERS: &str = "benches/peers/peers.json";

// No name is the beginning of another, because results are looked up by the beginning of a name.
/// The default deployment.
pub(crate) const OURS_WITH_LEDGER: &str = "This function, with the ledger";
/// The same work as the peers.
pub(crate) const OURS: &str = "This function, without the ledger";
pub(crate) const BASELINE: &str = "Baseline (BASELINE)";
pub(crate) const OURS_WITHOUT_PINGS: &str = "… with `CONNECT_IN_INIT=false`";

/// On Lambda, the function reads no certificates: it trusts those in its binary. Here, it has to trust the root of the
/// simulated services. A file with nothing else is closest to reading none.
const OWN_ROOT: (&str, &str) = ("AWS_CA_BUNDLE", "{certificates}/own.pem");

/// A program that uses the Lambda Runtime API.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Contender {
    /// The peer's folder in `target/peers`. Empty for this function.
    #[serde(default)]
    id: String,
    pub(crate) name: String,
    /// The program and its arguments, relative to the root of the repository.
    pub(crate) command: Vec<String>,
    /// Environment variables in addition to those that all contenders get.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// The files in the deployment package.
    pub(crate) zip: Vec<PathBuf>,
}

/// This function, its variants, and every peer that was built.
///
/// To compare a change with the version before it, set the environment variable `BASELINE` to the earlier version's
/// bootstrap file. It runs exactly like this function without the ledger, interleaved with it, and gets its own row. The row
/// is printed, but not written to the published results.
pub(crate) fn all() -> Result<Vec<Contender>> {
    let bootstrap = env::var("BOOTSTRAP").unwrap_or_else(|_| BOOTSTRAP.to_owned());
    ensure!(fs::exists(&bootstrap)?, "{bootstrap} does not exist: run `make build`");
    let ours = |name: &str, variables: &[(&str, &str)]| function(&bootstrap, name, variables);

    let mut contenders =
        vec![ours(OURS_WITH_LEDGER, &[OWN_ROOT, ("LEDGER_TABLE", LEDGER_TABLE)]), ours(OURS, &[OWN_ROOT])];
    contenders.extend([
        ours(
            "… with the system's root certificates (`SSL_CERT_FILE`)",
            &[("SSL_CERT_FILE", "{certificates}/system.pem")],
        ),
        ours(OURS_WITHOUT_PINGS, &[OWN_ROOT, ("CONNECT_IN_INIT", "false")]),
    ]);
    if let Ok(baseline) = env::var("BASELINE") {
        ensure!(fs::exists(&baseline)?, "{baseline} does not exist: set BASELINE to a bootstrap file");
        contenders.push(function(&baseline, BASELINE, &[OWN_ROOT]));
    }

    let peers: Vec<Contender> = serde_json::from_slice(&fs::read(PEERS)?).context(PEERS)?;
    for peer in peers {
        if fs::exists(&peer.command[0])? {
            contenders.push(peer);
        } else {
            println!("skipped: {} (not built on this machine)", peer.name);
        }
    }
    Ok(contenders)
}

/// A version of this function with additional environment variables.
fn function(bootstrap: &str, name: &str, variables: &[(&str, &str)]) -> Contender {
    Contender {
        id: String::new(),
        name: name.to_owned(),
        command: vec![bootstrap.to_owned()],
        env: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        zip: vec![bootstrap.into()],
    }
}

impl Contender {
    /// Whether this is the floor: a function that only returns its event.
    pub(crate) fn is_floor(&self) -> bool {
        self.id == "echo"
    }

    /// Whether this is this function, or the baseline, with the work of the peers.
    pub(crate) fn is_function(&self) -> bool {
        self.name == OURS || self.name == BASELINE
    }

    /// Whether this is this function with another configuration.
    pub(crate) fn is_variant(&self) -> bool {
        self.id.is_empty() && !self.is_function()
    }

    /// The same contender with one more environment variable.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut contender = self.clone();
        contender.env.insert(name.to_owned(), value.to_owned());
        contender
    }

    /// The same contender, started by a profiler that is on the `PATH`.
    pub(crate) fn under(&self, profiler: &str) -> Result<Self> {
        let mut contender = self.clone();
        let path = env::var("PATH")?;
        let program = path::absolute(&self.command[0])?.to_string_lossy().into_owned();
        let words = profiler.split_whitespace().map(ToOwned::to_owned);
        contender.command =
            ["/usr/bin/env".to_owned(), format!("PATH={path}")].into_iter().chain(words).chain([program]).collect();
        contender.command.extend_from_slice(&self.command[1..]);
        Ok(contender)
    }

    /// What a start reads from disk: the program, and a peer's packages.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let packages = (!self.id.is_empty()).then(|| Path::new("target/peers").join(&self.id));
        [PathBuf::from(&self.command[0])].into_iter().chain(packages).collect()
    }

    /// The size of the deployment package in bytes. Python's `zipfile` compresses it, as in the SAM CLI.
    pub(crate) fn zip_bytes(&self) -> Result<u64> {
        let folder = tempfile::tempdir()?;
        let zip = folder.path().join("function.zip");
        let status = Command::new("python3").args(["-m", "zipfile", "-c"]).arg(&zip).args(&self.zip).status()?;
        ensure!(status.success(), "cannot create the zip file of {}", self.name);
        Ok(zip.metadata()?.len())
    }
}

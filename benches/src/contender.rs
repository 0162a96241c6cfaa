//! Who takes part.

use std::{
    collections::BTreeMap,
    fs,
    path::{self, Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::services::LEDGER_TABLE;

/// The file that `cargo lambda build --release` made; the environment's `BOOTSTRAP` can name another.
const BOOTSTRAP: &str = "target/lambda/bootstrap/bootstrap";
const PEERS: &str = "benches/peers/peers.json";

pub(crate) const OURS: &str = "This function";
pub(crate) const OURS_LATE: &str = "… with `CONNECT_IN_INIT=false`";
pub(crate) const OURS_LEDGER: &str = "… with the ledger: a read and two writes more";

/// On Lambda it trusts the five authorities that it carries. Here a sixth has to be among them.
pub(crate) const FEW: (&str, &str) = ("AWS_CA_BUNDLE", "{certificates}/amazon.pem");

/// A program that speaks to the Lambda Runtime API.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Contender {
    /// Its folder in `target/peers`.
    #[serde(default)]
    id: String,
    pub(crate) name: String,
    /// The program and its arguments, from the repository's root.
    pub(crate) command: Vec<String>,
    /// Further environment.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// What is uploaded to Lambda.
    pub(crate) zip: Vec<PathBuf>,
}

/// This function, its variants, and every peer that was built.
pub(crate) fn all() -> Result<Vec<Contender>> {
    let bootstrap = bootstrap();
    ensure!(fs::exists(&bootstrap)?, "{bootstrap} is missing: `make build` makes it");
    let mut contenders = vec![
        ours(OURS, &[FEW]),
        ours(
            "… trusting all that the system does (`SSL_CERT_FILE`)",
            &[("SSL_CERT_FILE", "{certificates}/system.pem")],
        ),
        ours(OURS_LATE, &[FEW, ("CONNECT_IN_INIT", "false")]),
        ours(OURS_LEDGER, &[FEW, ("LEDGER_TABLE", LEDGER_TABLE)]),
    ];
    let peers: Vec<Contender> = serde_json::from_slice(&fs::read(PEERS)?).context(PEERS)?;
    for peer in peers {
        if fs::exists(&peer.command[0])? {
            contenders.push(peer);
        } else {
            println!("skipped: {}, which this machine could not build", peer.name);
        }
    }
    Ok(contenders)
}

fn bootstrap() -> String {
    std::env::var("BOOTSTRAP").unwrap_or_else(|_| BOOTSTRAP.to_owned())
}

/// This function with further environment.
pub(crate) fn ours(name: &str, variables: &[(&str, &str)]) -> Contender {
    Contender {
        id: String::new(),
        name: name.to_owned(),
        command: vec![bootstrap()],
        env: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        zip: vec![bootstrap().into()],
    }
}

impl Contender {
    /// Whether it is what any function costs, and does not do the job.
    pub(crate) fn is_floor(&self) -> bool {
        self.id == "echo"
    }

    /// Whether it is this function, set up otherwise.
    pub(crate) fn is_variant(&self) -> bool {
        self.id.is_empty() && self.name != OURS
    }

    /// The same with further environment.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut contender = self.clone();
        contender.env.insert(name.to_owned(), value.to_owned());
        contender
    }

    /// The same, started by a profiler that this environment's `PATH` has.
    pub(crate) fn under(&self, profiler: &str) -> Result<Self> {
        let mut contender = self.clone();
        let path = std::env::var("PATH")?;
        let program = path::absolute(&self.command[0])?.to_string_lossy().into_owned();
        let words = profiler.split_whitespace().map(ToOwned::to_owned);
        contender.command =
            ["/usr/bin/env".to_owned(), format!("PATH={path}")].into_iter().chain(words).chain([program]).collect();
        contender.command.extend_from_slice(&self.command[1..]);
        Ok(contender)
    }

    /// What a start of it reads from disk: its program, and the packages that came with it.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let packages = (!self.id.is_empty()).then(|| Path::new("target/peers").join(&self.id));
        [PathBuf::from(&self.command[0])].into_iter().chain(packages).collect()
    }

    /// The bytes of the zip that is uploaded, compressed as the SAM CLI does: by Python's `zipfile`.
    pub(crate) fn zip_bytes(&self) -> Result<u64> {
        let folder = tempfile::tempdir()?;
        let zip = folder.path().join("function.zip");
        let status = Command::new("python3").args(["-m", "zipfile", "-c"]).arg(&zip).args(&self.zip).status()?;
        ensure!(status.success(), "the zip of {}", self.name);
        Ok(zip.metadata()?.len())
    }
}

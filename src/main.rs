//! The bootstrap: configuration → clients → `run`. Everything slow happens here, in Init.

use pow as _;
use workspaces_image_import::{
    clients::Clients, clock::SystemClock, config::Config, error::Error, function::note_panics, logging, refuse, run,
};

// Two threads would share one fraction of a CPU; one needs half as much of it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init();
    note_panics();
    match set_up().await {
        Ok((config, clients)) => run(config, clients, SystemClock).await,
        Err(error) => refuse(error).await,
    }
}

async fn set_up() -> Result<(Config, Clients), Error> {
    let config = Config::from_env()?;
    let clients = Clients::start(&config, None).await?;
    Ok((config, clients))
}

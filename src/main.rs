//! The bootstrap executable: reads the configuration, builds the clients and runs the function. All slow work happens
//! here, during Init.

use workspaces_image_import::{
    aws::clients::Clients, clock::SystemClock, config::Config, error::Error, handler::install_panic_hook, logging,
    refuse, run,
};

// Two threads would share the same fraction of a CPU. One thread needs half the CPU time.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init();
    install_panic_hook();
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

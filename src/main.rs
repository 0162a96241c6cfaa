//! The bootstrap executable, which Lambda starts.

// Two threads would share the same fraction of a CPU. One thread needs half the CPU time.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    workspaces_image_import::serve(None).await
}

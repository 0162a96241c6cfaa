//! The run: three imports to their end, as a workflow would track them.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use simulator::Published;
use tokio::time::{sleep, timeout};

use crate::{
    lambda::{Environment, Lambda},
    progress::{Progress, summary},
    script::{Import, STEP_MINUTES, imports, lay},
    stage::Stage,
};

/// What a workflow waits between two checks.
const WAIT: Duration = Duration::from_millis(150);

/// By then it has ended, even on a slow machine, or it hangs.
const LIMIT: Duration = Duration::from_secs(25);

/// Announcements in order, by image.
type Announced = BTreeMap<String, Vec<String>>;

/// Plays, and succeeds only if what was announced is what the script contained.
pub(crate) async fn run(verbose: bool) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let imports = imports();
    let stage = Stage::start().await?;
    let played = play(&imports, &stage, verbose);
    let rounds = timeout(LIMIT, played).await.context("the imports have not settled in time")??;

    let published = stage.sns.published();
    if let Some(failure) = published.iter().find(|message| message.json()["To"] == "ERROR") {
        println!("\nThe e-mail about the import that failed:\n");
        println!("Subject: {}\n", failure.subject.as_deref().unwrap_or_default());
        println!("{}", failure.body("email").unwrap_or_default());
    }
    let expected: Announced =
        imports.iter().map(|import| (import.image_id.to_owned(), import.transition_ids())).collect();
    let announced = by_image(&published);
    if announced != expected {
        eprintln!("What was announced is not what the script contained.");
        eprintln!("expected:  {expected:#?}\nannounced: {announced:#?}");
        return Ok(ExitCode::FAILURE);
    }
    println!(
        "{} announcements of {} imports in {rounds} checks and {:.1} s: exactly what the script contained.",
        published.len(),
        imports.len(),
        started.elapsed().as_secs_f64()
    );
    Ok(ExitCode::SUCCESS)
}

/// Checks until no import is pending; says how often that was.
async fn play(imports: &[Import], stage: &Stage, verbose: bool) -> anyhow::Result<usize> {
    let mut lambda = Lambda::start(Environment::Only(stage.environment()), verbose).await?;
    let mut messages = stage.sns.subscribe();
    let progress = Progress::new(imports.iter().map(|import| import.image_id), !verbose)?;

    // What ImportCustomWorkspaceImage returns is a record, and each response is the next event.
    let records = imports.iter().map(|import| json!({"ImageId": import.image_id, "State": "PENDING"}));
    let mut event = json!({"Imports": records.collect::<Vec<_>>()}).to_string();
    for (round, minutes) in (1..).zip((0..).step_by(STEP_MINUTES.into())) {
        lay(imports, &stage.workspaces, minutes);
        event = match lambda.invoke(&event).await? {
            Ok(response) => response,
            Err(error) => bail!("{}: {}", error.error_type, error.message),
        };
        let response: Value = serde_json::from_str(&event).context("the response is not JSON")?;
        while let Ok(message) = messages.try_recv() {
            progress.say(&summary(&message))?;
        }
        progress.update(&response);
        if response["Status"] != "PENDING" {
            return Ok(round);
        }
        sleep(WAIT).await;
    }
    bail!("the clock has run out")
}

fn by_image(published: &[Published]) -> Announced {
    let mut announced = Announced::new();
    for message in published {
        let body = message.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        announced.entry(text("ImageId")).or_default().push(text("TransitionId"));
    }
    announced
}

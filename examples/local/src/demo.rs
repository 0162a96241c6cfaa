//! Finds three simulated imports and tracks them until they end.

use std::{
    collections::BTreeMap,
    io::{Write as _, stderr},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use fake_aws::Published;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::{sleep, timeout};

use crate::{
    COMMAND,
    display::{Display, subject},
    imports::{Import, OTHER_IMAGE, STEP_MINUTES, imports, set_answers},
    lambda::{Environment, Lambda},
    progress::Progress,
    services::Services,
    state_times::StateTimes,
    tracking::Outcome,
    transition,
};

/// The pause between two checks. A real workflow waits for minutes.
const WAIT: Duration = Duration::from_millis(150);

/// The time after which the run has certainly hung, even on a slow machine.
const LIMIT: Duration = Duration::from_secs(25);

/// The width of the lines that separate an email and a chat card from the rest of the output.
const RULE_WIDTH: usize = 72;

/// The transition IDs of each image, in order.
type Announced = BTreeMap<String, Vec<String>>;

/// Runs the demo. Fails if the announcements are not exactly those of the simulated imports.
pub(crate) async fn run(display: Display) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let imports = imports();
    let services = Services::start().await?;
    services.workspaces.add_other_image(OTHER_IMAGE);
    display.note(&format!(
        "WorkSpaces lists four images that nobody registered. The function finds out which of them are imports. One \
         completes, one fails, and one is deleted. {OTHER_IMAGE} was made in another way, so nothing is announced \
         about it."
    ))?;
    if !display.data {
        display.note("Below is the subject of each announcement's email.\n")?;
    }
    let tracking = track(&imports, &services, display);
    let (checks, times) = timeout(LIMIT, tracking).await.context("the imports did not settle in time")??;

    let published = services.sns.published();
    if !display.data {
        show_failure(&published, display)?;
    }
    let table = times.table(display.table_width());
    display.note(&format!("\nTime in each state, on the simulated clock:\n{table}\n"))?;
    let expected: Announced =
        imports.iter().map(|import| (import.image_id.to_owned(), import.transition_ids())).collect();
    let announced = by_image(&published);
    if announced != expected {
        let _ = writeln!(
            stderr(),
            "error: the announcements differ from those of the simulated imports\n\
             expected:  {expected:#?}\nannounced: {announced:#?}"
        );
        return Ok(Outcome::Failed.into());
    }
    display.note(&format!(
        "Success: {} announcements for {} imports in {checks} invocations and {:.1} s, exactly as expected.\n",
        published.len(),
        imports.len(),
        started.elapsed().as_secs_f64()
    ))?;
    display.note(
        "To deploy the function, so that it finds the imports in your AWS account (README.md says what you need):\n    \
         cp samconfig.example.toml samconfig.toml\n    sam build\n    sam deploy\n",
    )?;
    display.note(&format!("For other ways to run it on this machine:\n    {COMMAND} --help"))?;
    Ok(Outcome::Completed.into())
}

/// Prints the email and the chat card about the failed import.
fn show_failure(published: &[Published], display: Display) -> anyhow::Result<()> {
    let Some(failure) = published.iter().find(|message| message.json()["To"] == "ERROR") else { return Ok(()) };
    let rule = "-".repeat(RULE_WIDTH.min(display.table_width()));
    let (title, email) = (failure.subject.as_deref().unwrap_or_default(), failure.body("email").unwrap_or_default());
    display.note(&format!("\nThe complete email about the failed import:\n{rule}"))?;
    display.note(&format!("Subject: {title}\n\n{}\n{rule}", email.trim_end()))?;
    let card: Value = serde_json::from_str(&failure.body("https").unwrap_or_default())
        .context("the chat notification is not JSON")?;
    display.note("\nThe same announcement as Slack or Microsoft Teams receives it, with CHAT=true:")?;
    display.note(&format!("{rule}\n{}\n{rule}", chat_card(&card)))?;
    Ok(())
}

/// Invokes the function until no import is pending. Returns the number of invocations and the time in each state.
async fn track(imports: &[Import], services: &Services, display: Display) -> anyhow::Result<(usize, StateTimes)> {
    let mut environment = services.environment();
    environment.push(("CHAT", "true".to_owned()));
    let mut lambda = Lambda::start(Environment::Only(environment), display.verbose).await?;
    let mut messages = services.sns.subscribe();
    let mut progress = Progress::new(display);
    let mut times = StateTimes::new(true);
    let mut step = Duration::ZERO;

    // The first event asks for discovery. After that, each response is the next event.
    let mut event = r#"{"Discover": true}"#.to_owned();
    for (count, minutes) in (1..).zip((0..).step_by(STEP_MINUTES.into())) {
        set_answers(imports, &services.workspaces, minutes);
        event = match lambda.invoke(&event).await? {
            Ok(response) => response,
            Err(error) => bail!("{}: {}", error.error_type, error.message),
        };
        let response: Value = serde_json::from_str(&event).context("the response is not JSON")?;
        event = aged(response.clone())?.to_string();
        for transition in response["Transitions"].as_array().into_iter().flatten() {
            if display.data {
                progress.data(&transition::data_now(transition, &response)?)?;
            }
        }
        while let Ok(message) = messages.try_recv() {
            if !display.data {
                progress.note(&subject(&message))?;
            }
        }
        progress.update(&response)?;
        times.observe(&response, step);
        step = Duration::from_mins(STEP_MINUTES.into());
        if response["Status"] != "PENDING" {
            progress.finish();
            return Ok((count, times));
        }
        sleep(WAIT).await;
    }
    bail!("the imports never settled")
}

/// The response as the next event, one step of the simulated clock later. The function uses the real clock, so the time
/// since which an image is missing moves into the past instead.
fn aged(mut response: Value) -> anyhow::Result<Value> {
    for record in response["Imports"].as_array_mut().into_iter().flatten() {
        if let Some(since) = record["Missing"].as_str() {
            let since = OffsetDateTime::parse(since, &Rfc3339).context("Missing is not a time")?;
            record["Missing"] = (since - Duration::from_mins(STEP_MINUTES.into())).format(&Rfc3339)?.into();
        }
    }
    Ok(response)
}

/// The parts of a chat notification, in the order in which a card shows them.
fn chat_card(notification: &Value) -> String {
    let content = &notification["content"];
    let text = |name: &str| content[name].as_str().unwrap_or_default().trim_end();
    let list = |name: &str, separator| {
        let items = content[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        items.collect::<Vec<_>>().join(separator)
    };
    let (title, description) = (text("title"), text("description"));
    let (next_steps, keywords) = (list("nextSteps", "\n- "), list("keywords", ", "));
    format!("{title}\n\n{description}\n\nNext steps:\n- {next_steps}\n\nKeywords: {keywords}")
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

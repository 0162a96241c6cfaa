//! The chat notification: the [custom notification][schema] that Amazon Q Developer in chat applications shows in Slack
//! and Microsoft Teams. It silently drops messages that do not follow this schema.
//!
//! Its texts contain no markup, because Slack and Teams use different ones. Links are bare addresses, which both of
//! them detect. Paragraphs are separated by empty lines, because Teams joins the lines of a paragraph.
//!
//! [schema]: https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    facts::Facts,
    safe::inert,
    self_test::{HEADLINE, SUBJECT, TEST, TestDraft, WHAT_COMES_NEXT},
};
use crate::import::{Announcement, Kind, Outcome};

/// The maximum lengths that the schema documents, in characters: of the title, the description, each of the next steps,
/// and each keyword.
const MAX_TITLE_CHARS: usize = 250;
const MAX_DESCRIPTION_CHARS: usize = 8_000;
const MAX_STEP_CHARS: usize = 350;
const MAX_KEYWORD_CHARS: usize = 75;
/// The most errors that a card shows. The email has all of them.
const MAX_ERRORS: usize = 5;
/// How much of a text from the service a card shows, in characters.
const MAX_TEXT_CHARS: usize = 300;
/// The symbol of a card that is about nothing new.
const INFORMATION: &str = "\u{2139}\u{fe0f}";
/// The most pages of the guide that a card links to.
const MAX_PAGES: usize = 2;

#[derive(Serialize)]
struct Notification<'a> {
    version: &'static str,
    source: &'static str,
    id: &'a str,
    content: Content,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    text_type: &'static str,
    title: String,
    description: String,
    next_steps: Vec<String>,
    keywords: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    /// Cards with the same value form a thread.
    thread_id: &'a str,
    summary: String,
    event_type: &'static str,
    related_resources: [&'a str; 1],
    additional_context: BTreeMap<&'static str, String>,
}

/// The notification as JSON.
pub(super) fn chat(facts: &Facts<'_>) -> String {
    let Announcement { transition_id, image_id, outcome, transition, .. } = facts.announcement;
    let what = match transition.kind {
        Kind::StateChanged => outcome.as_str(),
        Kind::Stalled => transition.kind.as_str(),
    };
    let mut context = BTreeMap::from([("Region", facts.region.clone()), ("Outcome", outcome.as_str().to_owned())]);
    let mut keywords = vec![what];
    if let Some(account) = facts.account {
        context.insert("Account", account.to_owned());
        keywords.push(account);
    }
    if let Some(progress) = facts.description.progress_percentage {
        context.insert("Progress", format!("{progress}%"));
    }
    let title = format!("{} {}", symbol(facts), facts.subject(inert, MAX_TITLE_CHARS - 3));
    let notification = Notification {
        version: "1.0",
        source: "custom",
        id: transition_id.as_str(),
        content: Content {
            text_type: "client-markdown",
            title: first(&title, MAX_TITLE_CHARS),
            description: first(&description(facts), MAX_DESCRIPTION_CHARS),
            next_steps: next_steps(facts).iter().map(|step| first(step, MAX_STEP_CHARS)).collect(),
            keywords: keywords.into_iter().map(|keyword| first(keyword, MAX_KEYWORD_CHARS)).collect(),
        },
        metadata: Metadata {
            thread_id: image_id.as_str(),
            summary: inert(&facts.headline).into_owned(),
            event_type: transition.kind.as_str(),
            related_resources: [image_id.as_str()],
            additional_context: context,
        },
    };
    serde_json::to_string(&notification).expect("structs of strings are valid JSON")
}

/// The notification of a self-test as JSON.
pub(super) fn test_chat(draft: &TestDraft<'_>) -> String {
    let TestDraft { origin, function_name, .. } = draft;
    let mut context = BTreeMap::from([("Region", origin.safe_region())]);
    context.extend(origin.account().map(|account| ("Account", account.to_owned())));
    let notification = Notification {
        version: "1.0",
        source: "custom",
        id: &draft.id(),
        content: Content {
            text_type: "client-markdown",
            title: format!("{INFORMATION} {SUBJECT}"),
            description: format!("{HEADLINE}\n\nFunction: {}\n{}", inert(function_name), origin.place()),
            next_steps: vec![WHAT_COMES_NEXT.to_owned()],
            keywords: vec![TEST.to_owned()],
        },
        metadata: Metadata {
            thread_id: function_name,
            summary: HEADLINE.to_owned(),
            event_type: TEST,
            related_resources: [function_name],
            additional_context: context,
        },
    };
    serde_json::to_string(&notification).expect("structs of strings are valid JSON")
}

/// Shows the outcome at a glance. Unicode emoji work in both applications; their names for emoji differ.
fn symbol(facts: &Facts<'_>) -> &'static str {
    let announcement = facts.announcement;
    match (announcement.transition.kind, announcement.outcome) {
        _ if facts.state_by_now.is_some() => INFORMATION,
        (Kind::Stalled, _) => "\u{26a0}\u{fe0f}",
        (_, Outcome::Completed) => "\u{2705}",
        (_, Outcome::Failed) => "\u{274c}",
        (_, Outcome::Pending) => "\u{23f3}",
    }
}

fn description(facts: &Facts<'_>) -> String {
    let mut paragraphs = vec![inert(&facts.headline).into_owned()];
    if !facts.lines.is_empty() {
        let lines = facts.lines.iter().map(|(label, text)| format!("{label}: {}.", text.shown(shortened)));
        paragraphs.push(lines.collect::<Vec<_>>().join("\n"));
    }
    if let Some(message) = &facts.description.state_message {
        paragraphs.push(format!("WorkSpaces says: {}", shortened(message)));
    }
    paragraphs.extend(facts.errors_heading().map(str::to_owned));
    for error in facts.errors.iter().take(MAX_ERRORS) {
        let remedy = facts.remedy_line(error).map(|remedy| format!("\n{remedy}")).unwrap_or_default();
        paragraphs.push(format!("\u{2022} {}{remedy}", error.shown(shortened)));
    }
    if facts.errors.len() > MAX_ERRORS {
        paragraphs.push(format!("And {} more.", facts.errors.len() - MAX_ERRORS));
    }
    let Announcement { image_id, transition, .. } = facts.announcement;
    let label = match transition.kind {
        Kind::StateChanged => inert(transition.to.as_str()),
        Kind::Stalled => Kind::Stalled.as_str().into(),
    };
    paragraphs.push(format!("{}\nAnnouncement {image_id}#{}:{label}", facts.place, transition.sequence));
    paragraphs.join("\n\n")
}

fn next_steps(facts: &Facts<'_>) -> Vec<String> {
    let mut steps = Vec::new();
    // While an import is under way, there is nothing to do.
    if !facts.is_under_way() {
        steps.push(facts.advice.to_owned());
    }
    steps.push(format!("The image in the console: {}", facts.console_link));
    for page in facts.pages.iter().take(MAX_PAGES) {
        steps.push(format!("{} in the WorkSpaces guide: {}", page.title(), page.url()));
    }
    steps
}

/// The beginning of a text from the service, shown literally.
fn shortened(text: &str) -> String {
    let end = text.char_indices().nth(MAX_TEXT_CHARS).map(|(end, _)| end);
    let beginning = inert(end.map_or(text, |end| &text[..end]));
    if end.is_some() { format!("{beginning}…") } else { beginning.into_owned() }
}

fn first(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

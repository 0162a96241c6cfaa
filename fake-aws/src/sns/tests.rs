use std::time::Instant;

use tokio::time::{sleep, timeout};

use super::*;
use crate::testing::{Answered, TestResult, post};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

/// The form for a batch of plain messages. Entry IDs count from 0.
fn form(messages: &[&str]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", "PublishBatch").append_pair("TopicArn", "arn:aws:sns:x:1:t");
    for (index, message) in messages.iter().enumerate() {
        let key = |field: &str| format!("PublishBatchRequestEntries.member.{}.{field}", index + 1);
        form.append_pair(&key("Id"), &index.to_string()).append_pair(&key("Message"), message);
    }
    form.finish()
}

async fn publish(sns: &Sns, messages: &[&str]) -> Result<Answered, Box<dyn std::error::Error>> {
    post(&sns.url(), &FORM, form(messages)).await
}

fn texts(published: &[Published]) -> Vec<&str> {
    published.iter().map(|message| message.message.as_str()).collect()
}

fn xml(answer: &Answered) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

#[tokio::test]
async fn records_what_is_published() -> TestResult {
    let sns = Sns::start().await?;
    let mut live = sns.subscribe();
    assert_eq!(publish(&sns, &["a", "b"]).await?.status, 200);
    assert_eq!(publish(&sns, &["c"]).await?.status, 200);
    assert_eq!(sns.batches().iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(texts(&sns.published()), ["a", "b", "c"]);
    for expected in ["a", "b", "c"] {
        assert_eq!(live.recv().await.unwrap().message, expected);
    }
    assert_eq!(sns.requests().len(), 2);
    sns.clear();
    assert!(sns.published().is_empty() && sns.requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn follows_the_script_and_then_publishes() -> TestResult {
    let sns = Sns::start().await?;
    let error = SnsAnswer::Error { status: 403, code: "AuthorizationError".into(), message: "no".into() };
    sns.script([
        SnsAnswer::FailEntries(vec![(1, "InternalError".into(), "<oops>".into())]),
        error.clone(),
        SnsAnswer::Fault(Fault::Reset),
        SnsAnswer::TakeThen(Fault::Reset),
        SnsAnswer::Raw(Reply::xml(200, "<other/>".into())),
    ]);
    let partial = publish(&sns, &["a", "b", "c"]).await?;
    let failed = "<Failed><member><Id>1</Id><Code>InternalError</Code><Message>&lt;oops&gt;</Message>\
                  <SenderFault>false</SenderFault></member></Failed>";
    assert!(xml(&partial).contains(failed), "{}", xml(&partial));
    assert_eq!(texts(&sns.published()), ["a", "c"]);

    let rejected = publish(&sns, &["d"]).await?;
    assert_eq!(rejected.status, 403);
    assert!(xml(&rejected).contains("<Code>AuthorizationError</Code>"));
    assert!(publish(&sns, &["e"]).await.is_err());
    assert!(publish(&sns, &["f"]).await.is_err());
    assert_eq!(xml(&publish(&sns, &["g"]).await?), "<other/>");
    assert_eq!(publish(&sns, &["h"]).await?.status, 200);
    assert_eq!(texts(&sns.published()), ["a", "c", "f", "h"]);

    sns.set(error);
    for _ in 0..2 {
        assert_eq!(publish(&sns, &["i"]).await?.status, 403);
    }
    Ok(())
}

#[tokio::test]
async fn rejects_what_sns_rejects() -> TestResult {
    let sns = Sns::start().await?;
    let empty = publish(&sns, &[]).await?;
    assert_eq!(empty.status, 400);
    assert!(xml(&empty).contains("<Code>EmptyBatchRequest</Code>"));
    let one = publish(&sns, &["a", ""]).await?;
    assert_eq!(one.status, 200);
    assert!(xml(&one).contains("<Id>1</Id><Code>InvalidParameter</Code>"), "{}", xml(&one));
    let other = post(&sns.url(), &FORM, "Action=Publish&Message=a").await?;
    assert_eq!(other.status, 400);
    assert!(xml(&other).contains("<Code>InvalidAction</Code>"));
    assert_eq!(texts(&sns.published()), ["a"]);
    Ok(())
}

#[tokio::test]
async fn a_caller_that_disconnects_publishes_nothing() -> TestResult {
    let sns = Sns::start().await?;
    let delay = Duration::from_millis(200);
    sns.script([SnsAnswer::After(delay, Box::new(SnsAnswer::Take))]);
    assert!(timeout(delay / 4, publish(&sns, &["a"])).await.is_err());
    sleep(delay * 2).await;
    assert!(sns.published().is_empty());

    sns.set_latency(delay);
    let started = Instant::now();
    publish(&sns, &["b"]).await?;
    assert!(started.elapsed() >= delay);
    assert_eq!(texts(&sns.published()), ["b"]);
    Ok(())
}

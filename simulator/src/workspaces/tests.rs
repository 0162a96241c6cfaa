use std::error::Error;

use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    fault::Fault,
    testing::{TestResult, post},
};

const TARGET: (&str, &str) = ("x-amz-target", "WorkspacesService.DescribeCustomWorkspaceImageImport");

async fn describe(url: &str, image_id: &str) -> Result<(u16, Value), Box<dyn Error>> {
    let answer = post(url, &[TARGET], json!({"ImageId": image_id}).to_string()).await?;
    assert_eq!(answer.headers["content-type"], "application/x-amz-json-1.1");
    Ok((answer.status, serde_json::from_slice(&answer.body)?))
}

#[tokio::test]
async fn answers_as_it_was_told() -> TestResult {
    let workspaces = WorkSpaces::start().await?;
    let url = workspaces.url();
    workspaces.set("wsi-1", description("wsi-1", "PENDING").progress(3));
    assert_eq!(
        describe(&url, "wsi-1").await?,
        (200, json!({"ImageId": "wsi-1", "State": "PENDING", "ProgressPercentage": 3}))
    );

    let throttled = Answer::Error { status: 400, code: "ThrottlingException".into(), message: "slow".into() };
    workspaces.script("wsi-1", [throttled, Answer::from(json!({"State": "ERROR"}))]);
    assert_eq!(describe(&url, "wsi-1").await?.1, json!({"__type": "ThrottlingException", "message": "slow"}));
    assert_eq!(describe(&url, "wsi-1").await?.1, json!({"State": "ERROR"}));
    assert_eq!(describe(&url, "wsi-1").await?.1, json!({"State": "ERROR"}));

    let missing = json!({"__type": "ResourceNotFoundException", "message": "The image wsi-2 could not be found."});
    assert_eq!(describe(&url, "wsi-2").await?, (400, missing));
    workspaces.set_default(json!({"State": "COMPLETED"}));
    assert_eq!(describe(&url, "wsi-2").await?, (200, json!({"State": "COMPLETED"})));

    assert_eq!((workspaces.calls_of("wsi-1"), workspaces.calls_of("wsi-2"), workspaces.calls().len()), (4, 2, 6));
    assert_eq!(workspaces.calls()[0].headers[TARGET.0], TARGET.1);
    workspaces.clear_calls();
    assert_eq!(workspaces.calls_of("wsi-1"), 0);
    Ok(())
}

#[tokio::test]
async fn refuses_what_it_does_not_know() -> TestResult {
    let workspaces = WorkSpaces::start().await?;
    let other = [("x-amz-target", "WorkspacesService.DescribeWorkspaces")];
    let requests: [(&[_], _, _); 3] = [
        (&other, "{}", "UnknownOperationException"),
        (&[TARGET], "{}", "ValidationException"),
        (&[TARGET], "{", "SerializationException"),
    ];
    for (headers, body, code) in requests {
        let answer = post(&workspaces.url(), headers, body).await?;
        assert_eq!(answer.status, 400);
        assert_eq!(serde_json::from_slice::<Value>(&answer.body)?["__type"], code);
    }
    assert!(workspaces.calls().is_empty());
    Ok(())
}

#[tokio::test]
async fn throttles_above_a_rate() -> TestResult {
    let workspaces = WorkSpaces::start().await?;
    let url = workspaces.url();
    workspaces.script("wsi-1", [json!({"State": "PENDING"}).into(), json!({"State": "ERROR"}).into()]);
    workspaces.set_rate_limit(Some(1));
    assert_eq!(describe(&url, "wsi-1").await?.1["State"], "PENDING");
    let throttled = json!({"__type": "ThrottlingException", "message": "Rate exceeded"});
    assert_eq!(describe(&url, "wsi-1").await?, (400, throttled));
    workspaces.set_rate_limit(None);
    assert_eq!(describe(&url, "wsi-1").await?.1["State"], "ERROR");
    let throttled: Vec<bool> = workspaces.calls().iter().map(|call| call.throttled).collect();
    assert_eq!(throttled, [false, true, false]);
    Ok(())
}

#[tokio::test]
async fn counts_what_is_under_way_at_once() -> TestResult {
    let workspaces = WorkSpaces::start().await?;
    workspaces.set_latency(Duration::from_millis(100));
    workspaces.set_default(Answer::After(Duration::from_millis(100), Box::new(Answer::NotFound)));
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..5 {
        let url = workspaces.url();
        calls.spawn(async move { describe(&url, "wsi-1").await.map(drop).map_err(|error| error.to_string()) });
    }
    for called in calls.join_all().await {
        called?;
    }
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(workspaces.peak_concurrency(), 5);
    Ok(())
}

#[tokio::test]
async fn a_call_that_was_left_is_not_under_way() -> TestResult {
    let workspaces = WorkSpaces::start().await?;
    workspaces.set("wsi-1", Fault::NoAnswer);
    for _ in 0..3 {
        assert!(timeout(Duration::from_millis(100), describe(&workspaces.url(), "wsi-1")).await.is_err());
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((workspaces.calls_of("wsi-1"), workspaces.peak_concurrency()), (3, 1));
    Ok(())
}

#[tokio::test]
async fn a_timeline_moves_by_itself() -> TestResult {
    let workspaces = WorkSpaces::start().await?;
    let url = workspaces.url();
    let later = Duration::from_millis(200);
    let answers = vec![
        (Duration::ZERO, description("wsi-1", STATES[0]).into()),
        (later, description("wsi-1", STATES[12]).into()),
    ];
    workspaces.timeline("wsi-1", answers);
    assert_eq!(describe(&url, "wsi-1").await?.1["State"], "PENDING");
    sleep(later).await;
    assert_eq!(describe(&url, "wsi-1").await?.1["State"], "COMPLETED");
    Ok(())
}

use std::error::Error;

use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    http::Fault,
    testing::{TestResult, post},
};

const TARGET: (&str, &str) = ("x-amz-target", "WorkspacesService.DescribeCustomWorkspaceImageImport");

async fn describe(url: &str, image_id: &str) -> Result<(u16, Value), Box<dyn Error>> {
    let answer = post(url, &[TARGET], json!({"ImageId": image_id}).to_string()).await?;
    assert_eq!(answer.headers["content-type"], "application/x-amz-json-1.1");
    Ok((answer.status, serde_json::from_slice(&answer.body)?))
}

#[tokio::test]
async fn answers_as_scripted() -> TestResult {
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
async fn rejects_what_it_does_not_support() -> TestResult {
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
async fn counts_concurrent_calls() -> TestResult {
    let workspaces = WorkSpaces::start().await?;
    workspaces.set_latency(Duration::from_millis(100));
    workspaces.set_default(Answer::After(Duration::from_millis(100), Box::new(Answer::NotFound)));
    let started = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..5 {
        let url = workspaces.url();
        calls.spawn(async move { describe(&url, "wsi-1").await.map(drop).map_err(|error| error.to_string()) });
    }
    for called in calls.join_all().await {
        called?;
    }
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(workspaces.peak_concurrency(), 5);
    Ok(())
}

#[tokio::test]
async fn an_abandoned_call_is_not_concurrent() -> TestResult {
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
async fn a_timeline_advances_with_time() -> TestResult {
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

#[tokio::test]
async fn lists_images_by_page() -> TestResult {
    const LIST: (&str, &str) = ("x-amz-target", "WorkspacesService.DescribeWorkspaceImages");
    let workspaces = WorkSpaces::start().await?;
    let url = workspaces.url();
    let list = async |request: Value| -> Result<Value, Box<dyn Error>> {
        Ok(serde_json::from_slice(&post(&url, &[LIST], request.to_string()).await?.body)?)
    };
    let throttled = Answer::Error { status: 400, code: "ThrottlingException".into(), message: "slow".into() };
    workspaces.script("wsi-1", [description("wsi-1", "VALIDATING").into(), description("wsi-1", "COMPLETED").into()]);
    workspaces.set("wsi-2", description("wsi-2", "ERROR"));
    workspaces.set("wsi-3", throttled.clone());
    workspaces.add_other_image("wsi-4");
    workspaces.set("wsi-5", Answer::NotFound);
    workspaces.set("wsi-6", description("wsi-6", "VALIDATING"));
    workspaces.list("wsi-6", None);

    let states = |page: &Value| -> Vec<String> {
        let images = page["Images"].as_array().into_iter().flatten();
        images.map(|image| format!("{} {}", image["ImageId"], image["State"]).replace('"', "")).collect()
    };
    let all = list(json!({})).await?;
    assert_eq!(states(&all), ["wsi-1 PENDING", "wsi-2 ERROR", "wsi-3 PENDING", "wsi-4 PENDING"]);
    assert_eq!(all["NextToken"], Value::Null);
    assert_eq!(states(&list(json!({"ImageType": "SHARED"})).await?), [""; 0]);
    assert_eq!(list(json!({"MaxResults": 26})).await?["__type"], "ValidationException");

    let first = list(json!({"ImageType": "OWNED", "MaxResults": 3})).await?;
    let second = list(json!({"NextToken": first["NextToken"]})).await?;
    assert_eq!((states(&first).len(), states(&second)), (3, vec!["wsi-4 PENDING".to_owned()]));
    workspaces.set_page_size(1);
    assert_eq!(states(&list(json!({"MaxResults": 3})).await?), ["wsi-1 PENDING"], "listing uses up no answers");

    describe(&url, "wsi-1").await?;
    assert_eq!(states(&list(json!({})).await?), ["wsi-1 AVAILABLE"]);
    workspaces.script_listing([Some(throttled), None]);
    assert_eq!(list(json!({})).await?["__type"], "ThrottlingException");
    assert_eq!(states(&list(json!({})).await?), ["wsi-1 AVAILABLE"]);
    assert_eq!(workspaces.list_calls().len(), 9);
    assert_eq!(workspaces.list_calls()[4].request, json!({"NextToken": "wsi-4"}));
    Ok(())
}

#[tokio::test]
async fn creates_images_and_bundles() -> TestResult {
    let workspaces = WorkSpaces::start().await?;
    let url = workspaces.url();
    let call = async |operation: &str, body: &Value| -> Result<(u16, Value), Box<dyn Error>> {
        let target = format!("WorkspacesService.{operation}");
        let answer = post(&url, &[("x-amz-target", &target)], body.to_string()).await?;
        Ok((answer.status, serde_json::from_slice(&answer.body)?))
    };

    let bundle = json!({
        "BundleName": "b", "BundleDescription": "d", "ImageId": "wsi-1", "ComputeType": {"Name": "STANDARD"},
        "UserStorage": {"Capacity": "50"},
    });
    let created = json!({"WorkspaceBundle": {
        "BundleId": "wsb-bundle0001", "Name": "b", "Description": "d", "ImageId": "wsi-1",
        "ComputeType": {"Name": "STANDARD"}, "UserStorage": {"Capacity": "50"},
    }});
    assert_eq!(call("CreateWorkspaceBundle", &bundle).await?, (200, created));
    workspaces
        .set("b", Answer::Error { status: 400, code: "ResourceLimitExceededException".into(), message: "m".into() });
    let (status, body) = call("CreateWorkspaceBundle", &bundle).await?;
    assert_eq!((status, &body["__type"]), (400, &json!("ResourceLimitExceededException")));
    assert_eq!(workspaces.creations_of("b"), [bundle.clone(), bundle.clone()]);

    let (status, body) = call("ImportCustomWorkspaceImage", &json!({"ImageName": "i"})).await?;
    assert_eq!((status, &body["message"]), (400, &json!("ImageDescription is required.")));
    let mut unknown = bundle.clone();
    unknown["Bundle"] = json!(1);
    let (status, body) = call("CreateWorkspaceBundle", &unknown).await?;
    assert_eq!((status, &body["message"]), (400, &json!("Bundle is not a parameter.")));
    Ok(())
}

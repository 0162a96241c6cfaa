use tokio::time::sleep;

use super::*;
use crate::testing::{Answered, TestResult, post, send};

const LONG: Duration = Duration::from_secs(30);

fn url(api: &RuntimeApi, path: &str) -> String {
    format!("http://{}/2018-06-01/runtime/{path}", api.address())
}

async fn next(api: &RuntimeApi) -> Result<Answered, Box<dyn std::error::Error>> {
    send(Method::GET, &url(api, "invocation/next"), &[], "").await
}

fn request_id(next: &Answered) -> String {
    next.headers["lambda-runtime-aws-request-id"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn delivers_the_payload_and_returns_the_response() -> TestResult {
    let api = RuntimeApi::start().await?;
    let function = async {
        let invocation = next(&api).await?;
        assert_eq!(invocation.body, "{\"a\":1}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let deadline: u128 = invocation.headers["lambda-runtime-deadline-ms"].to_str()?.parse()?;
        assert!((now + 29_000..=now + 30_000).contains(&deadline));
        assert!(invocation.headers.contains_key("lambda-runtime-invoked-function-arn"));
        assert!(invocation.headers.contains_key("lambda-runtime-trace-id"));
        let id = request_id(&invocation);
        sleep(Duration::from_millis(50)).await;
        let path = url(&api, &format!("invocation/{id}/response"));
        assert_eq!(post(&path, &[], "{\"b\":2}").await?.status, 202);
        assert_eq!(post(&path, &[], "{}").await?.status, 400, "a second answer");
        Ok::<_, Box<dyn std::error::Error>>(id)
    };
    let (answered, id) = tokio::join!(api.invoke("{\"a\":1}", LONG), function);
    let answered = answered?;
    assert_eq!(answered.request_id, id?);
    assert_eq!(answered.result, Ok("{\"b\":2}".to_owned()));
    assert!(answered.took >= Duration::from_millis(50));
    Ok(())
}

#[tokio::test]
async fn returns_errors() -> TestResult {
    let api = RuntimeApi::start().await?;
    let raw = r#"{"errorType":"InvalidEvent","errorMessage":"why"}"#;
    let function = async {
        let id = request_id(&next(&api).await?);
        post(&url(&api, &format!("invocation/{id}/error")), &[], raw).await?;
        assert_eq!(post(&url(&api, "init/error"), &[], raw).await?.status, 202);
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (answered, functioned) = tokio::join!(api.invoke("{}", LONG), function);
    functioned?;
    let expected = FunctionError { error_type: "InvalidEvent".into(), message: "why".into(), raw: raw.to_owned() };
    assert_eq!(answered?.result, Err(expected));
    assert_eq!(api.init_errors(), [json!({"errorType": "InvalidEvent", "errorMessage": "why"})]);
    Ok(())
}

#[tokio::test]
async fn ready_waits_until_the_function_asks() -> TestResult {
    let api = RuntimeApi::start().await?;
    assert!(timeout(Duration::from_millis(50), api.ready()).await.is_err());
    assert!(timeout(Duration::from_millis(100), next(&api)).await.is_err(), "no invocation is waiting");
    timeout(Duration::from_secs(5), api.ready()).await?;
    Ok(())
}

#[tokio::test]
async fn an_abandoned_invocation_is_not_sent() -> TestResult {
    let api = RuntimeApi::start().await?;
    assert!(timeout(Duration::from_millis(20), api.invoke("first", LONG)).await.is_err());
    let (abandoned, asked) = tokio::join!(timeout(Duration::from_millis(500), api.invoke("second", LONG)), next(&api));
    assert!(abandoned.is_err(), "nobody answers");
    assert_eq!(asked?.body, "second");
    Ok(())
}

#[tokio::test]
async fn rejects_what_lambda_rejects() -> TestResult {
    let api = RuntimeApi::start().await?;
    assert_eq!(post(&url(&api, "invocation/unknown/response"), &[], "{}").await?.status, 400);
    assert_eq!(post(&url(&api, "restore/error"), &[], "{}").await?.status, 404);
    let function = async {
        let id = request_id(&next(&api).await?);
        let path = url(&api, &format!("invocation/{id}/response"));
        assert_eq!(post(&path, &[], vec![b' '; MAX_RESPONSE + 1]).await?.status, 413);
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (answered, functioned) = tokio::join!(api.invoke("{}", LONG), function);
    functioned?;
    assert_eq!(answered?.result.unwrap_err().error_type, "Function.ResponseSizeTooLarge");
    Ok(())
}

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;
use crate::testing::{TestResult, post, send};

async fn always(reply: Reply) -> io::Result<Server> {
    Server::start(
        move |_| {
            let reply = reply.clone();
            async move { reply }
        },
        None,
    )
    .await
}

/// Asks on a bare socket and reads whatever comes until the end or the error.
async fn raw(server: &Server) -> (Vec<u8>, io::Result<()>) {
    let mut socket = TcpStream::connect(server.addr()).await.unwrap();
    socket.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    let mut answer = Vec::new();
    let end = socket.read_to_end(&mut answer).await.map(drop);
    (answer, end)
}

#[tokio::test]
async fn answers_and_keeps_the_connection() -> TestResult {
    let lying = vec![("content-length".to_owned(), "99".to_owned()), ("x-a".to_owned(), "b".to_owned())];
    let server = always(Reply::Http { status: 418, headers: lying, body: "tea".into() }).await?;
    let mut socket = TcpStream::connect(server.addr()).await?;
    for _ in 0..3 {
        socket.write_all(b"GET /a?b HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        let mut answer = String::new();
        while !answer.ends_with("tea") {
            let mut buffer = [0; 512];
            let read = socket.read(&mut buffer).await?;
            assert_ne!(read, 0, "closed after {answer}");
            answer += std::str::from_utf8(&buffer[..read])?;
        }
        assert!(answer.contains("x-a: b") && answer.contains("content-length: 3\r\n"), "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_header_that_is_none_is_told() -> TestResult {
    let bad = vec![("a b".to_owned(), "c".to_owned())];
    let server = always(Reply::Http { status: 200, headers: bad, body: Bytes::new() }).await?;
    assert_eq!(post(&server.url(), &[], "").await?.status, 500);
    Ok(())
}

#[tokio::test]
async fn reset_sends_rst_and_nothing_else() -> TestResult {
    let server = always(Reply::Fault(Fault::Reset)).await?;
    let (answer, end) = raw(&server).await;
    assert!(answer.is_empty());
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    Ok(())
}

#[tokio::test]
async fn truncated_announces_more_than_it_sends() -> TestResult {
    let server = always(Reply::Fault(Fault::Truncated)).await?;
    let (answer, end) = raw(&server).await;
    end?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains(&format!("content-length: {}", body.len() + 512)), "{head}");
    assert!(body.starts_with('{'));
    Ok(())
}

#[tokio::test]
async fn no_answer_is_none_and_the_next_caller_is_served() -> TestResult {
    let calls = AtomicUsize::new(0);
    let handler = move |_| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        async move { if first { Reply::Fault(Fault::NoAnswer) } else { Reply::xml(200, "<a/>".into()) } }
    };
    let server = Server::start(handler, None).await?;
    assert!(timeout(Duration::from_millis(200), raw(&server)).await.is_err());
    assert_eq!(post(&server.url(), &[], "").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn garbage_is_nothing_known() -> TestResult {
    let server = always(Reply::Fault(Fault::Garbage)).await?;
    let answer = post(&server.url(), &[], "").await?;
    assert_eq!(answer.status, 200);
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_err());
    assert!(std::str::from_utf8(&answer.body).is_err());
    Ok(())
}

#[tokio::test]
async fn a_slow_body_has_quick_headers() -> TestResult {
    let total = Duration::from_millis(300);
    let server = always(Reply::Fault(Fault::SlowBody(total))).await?;
    let begun = Instant::now();
    let mut socket = TcpStream::connect(server.addr()).await?;
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
    assert_ne!(socket.read(&mut [0; 512]).await?, 0);
    assert!(begun.elapsed() < total / 2, "{:?}", begun.elapsed());
    socket.read_to_end(&mut Vec::new()).await?;
    assert!(begun.elapsed() >= total, "{:?}", begun.elapsed());

    let answer = post(&server.url(), &[], "").await?;
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&answer.body)?, serde_json::json!({}));
    Ok(())
}

#[tokio::test]
async fn later_is_later() -> TestResult {
    let server = always(Reply::After(Duration::from_millis(100), Box::new(Reply::xml(200, "<a/>".into())))).await?;
    let begun = Instant::now();
    assert_eq!(post(&server.url(), &[], "").await?.body, "<a/>");
    assert!(begun.elapsed() >= Duration::from_millis(100));
    Ok(())
}

#[tokio::test]
async fn a_caller_that_leaves_drops_its_handler() -> TestResult {
    struct Dropped(tokio::sync::mpsc::UnboundedSender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |_| {
        let guard = Dropped(sender.clone());
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    };
    let server = Server::start(handler, None).await?;
    assert!(timeout(Duration::from_millis(100), raw(&server)).await.is_err());
    timeout(Duration::from_secs(5), receiver.recv()).await?.unwrap();
    Ok(())
}

#[tokio::test]
async fn stops_when_dropped() -> TestResult {
    let server = always(Reply::Fault(Fault::NoAnswer)).await?;
    let addr = server.addr();
    let mut open = TcpStream::connect(addr).await?;
    drop(server);
    assert!(matches!(timeout(Duration::from_secs(5), open.read(&mut [0; 1])).await?, Ok(0) | Err(_)));
    assert!(TcpStream::connect(addr).await.is_err());
    Ok(())
}

#[tokio::test]
async fn answers_pings_itself_and_counts_connections() -> TestResult {
    let server = always(Reply::json(400, &serde_json::json!({}))).await?;
    let ping = format!("{}/ping", server.url());
    assert_eq!(send(Method::GET, &ping, &[("x-a", "b")], "").await?.body, "healthy");
    assert_eq!(send(Method::POST, &ping, &[], "").await?.status, 400, "a ping is a GET");
    assert_eq!(server.pings().len(), 1);
    assert_eq!(server.pings()[0].headers["x-a"], "b");
    assert_eq!(server.connections(), 2);
    Ok(())
}

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

/// Sends a request on a plain socket and reads until the end of the stream or an error.
async fn raw(server: &Server) -> (Vec<u8>, io::Result<()>) {
    let mut socket = TcpStream::connect(server.addr()).await.unwrap();
    socket.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    let mut answer = Vec::new();
    let end = socket.read_to_end(&mut answer).await.map(drop);
    (answer, end)
}

#[tokio::test]
async fn answers_and_keeps_the_connection() -> TestResult {
    let wrong = vec![("content-length".to_owned(), "99".to_owned()), ("x-a".to_owned(), "b".to_owned())];
    let server = always(Reply::Http { status: 418, headers: wrong, body: "tea".into() }).await?;
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
async fn an_invalid_header_is_a_server_error() -> TestResult {
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
async fn truncated_promises_more_than_it_sends() -> TestResult {
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
async fn no_answer_blocks_only_its_own_caller() -> TestResult {
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
async fn garbage_is_neither_json_nor_utf8() -> TestResult {
    let server = always(Reply::Fault(Fault::Garbage)).await?;
    let answer = post(&server.url(), &[], "").await?;
    assert_eq!(answer.status, 200);
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_err());
    assert!(std::str::from_utf8(&answer.body).is_err());
    Ok(())
}

#[tokio::test]
async fn an_endless_body_goes_on_for_as_long_as_it_is_read() -> TestResult {
    let server = always(Reply::Fault(Fault::Endless)).await?;
    let mut socket = TcpStream::connect(server.addr()).await?;
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
    let mut part = vec![0; 1_000_000];
    for _ in 0..5 {
        socket.read_exact(&mut part).await?;
    }
    assert!(part.windows(10_000).any(|part| part.iter().all(|byte| *byte == b' ')));
    Ok(())
}

#[tokio::test]
async fn requests_carry_the_number_of_their_connection() -> TestResult {
    let handler = |request: Request| async move { Reply::json(200, &request.connection.into()) };
    let server = Server::start(handler, None).await?;
    for expected in ["1", "2"] {
        assert_eq!(post(&server.url(), &[], "").await?.body, expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_slow_body_has_fast_headers() -> TestResult {
    let total = Duration::from_millis(300);
    let server = always(Reply::Fault(Fault::SlowBody(total))).await?;
    let started = Instant::now();
    let mut socket = TcpStream::connect(server.addr()).await?;
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
    assert_ne!(socket.read(&mut [0; 512]).await?, 0);
    assert!(started.elapsed() < total / 2, "{:?}", started.elapsed());
    socket.read_to_end(&mut Vec::new()).await?;
    assert!(started.elapsed() >= total, "{:?}", started.elapsed());

    let answer = post(&server.url(), &[], "").await?;
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&answer.body)?, serde_json::json!({}));
    Ok(())
}

#[tokio::test]
async fn a_delayed_reply_arrives_later() -> TestResult {
    let server = always(Reply::After(Duration::from_millis(100), Box::new(Reply::xml(200, "<a/>".into())))).await?;
    let started = Instant::now();
    assert_eq!(post(&server.url(), &[], "").await?.body, "<a/>");
    assert!(started.elapsed() >= Duration::from_millis(100));
    Ok(())
}

#[tokio::test]
async fn the_handler_is_dropped_when_the_caller_disconnects() -> TestResult {
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

/// Opens a connection and uses it, so that the server knows it.
async fn connected(server: &Server) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(server.addr()).await?;
    assert!(answers(&mut socket).await?);
    Ok(socket)
}

/// Whether the server answers a ping on this connection, rather than closing it.
async fn answers(socket: &mut TcpStream) -> io::Result<bool> {
    socket.write_all(b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n").await?;
    Ok(socket.read(&mut [0; 512]).await? > 0)
}

#[tokio::test]
async fn open_connections_end_in_every_way_and_new_ones_work() -> TestResult {
    let server = always(Reply::json(200, &serde_json::json!({}))).await?;
    let mut buffer = [0; 1];

    let mut closed = connected(&server).await?;
    server.end_connections(Ending::Close).await;
    assert_eq!(closed.read(&mut buffer).await?, 0);

    let mut reset = connected(&server).await?;
    server.end_connections(Ending::Reset).await;
    assert_eq!(reset.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);

    let (mut forgotten, short) = (connected(&server).await?, Duration::from_millis(100));
    server.end_connections(Ending::Forget).await;
    assert!(timeout(short, forgotten.read(&mut buffer)).await.is_err(), "nothing happens until the next bytes");
    assert_eq!(answers(&mut forgotten).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);

    let mut silent = connected(&server).await?;
    server.end_connections(Ending::Silence).await;
    server.end_connections(Ending::Close).await;
    assert!(timeout(short, answers(&mut silent)).await.is_err(), "even a later ending does not reach it");

    connected(&server).await?;
    Ok(())
}

#[tokio::test]
async fn a_connection_is_closed_after_the_answer_to_its_request() -> TestResult {
    let (asked, mut waiting) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |_| {
        let _ = asked.send(());
        async { Reply::After(Duration::from_millis(100), Box::new(Reply::xml(200, "<a/>".into()))) }
    };
    let server = Server::start(handler, None).await?;
    let ending = async {
        waiting.recv().await;
        server.end_connections(Ending::Close).await;
    };
    let ((answer, end), ()) = tokio::join!(raw(&server), ending);
    end?;
    assert!(answer.ends_with(b"<a/>"), "{answer:?}");
    Ok(())
}

//! A proxy in front of a real endpoint, to add faults to it.

use std::{
    fmt, io,
    sync::{Arc, Mutex},
    time::Duration,
};

use ::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{sync::Notify, time::sleep};

use crate::{
    http::{Fault, Reply, Request},
    lock,
    service::{FakeService, Handle},
    tls::Tls,
};

/// What the proxy does with a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Forwards the request and returns the endpoint's response.
    Forward,
    /// Returns this reply. The endpoint does not receive the request.
    Reply(Reply),
    /// Forwards the request, so that it takes effect, but returns this fault.
    ForwardThen(Fault),
    /// Forwards the request after a delay.
    Delay(Duration),
    /// Forwards the request once this is notified.
    Hold(Arc<Notify>),
    /// Forwards the request and replaces these response headers (names and values).
    ForwardWith(Vec<(String, String)>),
}

type Hook = Arc<dyn Fn(&str, &Request) -> Act + Send + Sync>;

/// Forwards every request to a real endpoint (an emulator), unless a hook decides otherwise. `Host` and the signature
/// stay unchanged.
pub type Proxy = FakeService<Backend>;

/// The endpoint, the hook, and the requests received.
pub struct Backend {
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    hook: Mutex<Hook>,
    /// With the operation of each.
    requests: Mutex<Vec<(String, Request)>>,
}

impl Proxy {
    /// Starts in front of `upstream`, an `http://` URL.
    ///
    /// # Errors
    /// Fails if no port can be bound.
    pub async fn start(upstream: &str) -> io::Result<Self> {
        Self::serve(Backend::new(upstream), None).await
    }

    /// Starts over TLS in front of `upstream`, which is still an `http://` URL.
    ///
    /// # Errors
    /// Fails if no port can be bound.
    pub async fn start_tls(upstream: &str, tls: &Tls) -> io::Result<Self> {
        Self::serve(Backend::new(upstream), Some(tls)).await
    }

    /// From now on, calls `hook` for each request with the request's [operation](Request::operation). Replaces the
    /// previous hook. The hook must not block.
    pub fn on(&self, hook: impl Fn(&str, &Request) -> Act + Send + Sync + 'static) {
        *lock(&self.backend.hook) = Arc::new(hook);
    }

    /// Removes the hook and discards the recorded requests.
    pub fn clear(&self) {
        *lock(&self.backend.hook) = forward();
        lock(&self.backend.requests).clear();
    }

    /// Every request with its operation, forwarded or not, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<(String, Request)> {
        lock(&self.backend.requests).clone()
    }

    /// The number of requests with this operation.
    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        lock(&self.backend.requests).iter().filter(|(name, _)| name == operation).count()
    }
}

fn forward() -> Hook {
    Arc::new(|_, _| Act::Forward)
}

impl Handle for Backend {
    async fn handle(&self, request: Request) -> Reply {
        let operation = request.operation();
        lock(&self.requests).push((operation.clone(), request.clone()));
        let hook = Arc::clone(&lock(&self.hook));
        match hook(&operation, &request) {
            Act::Forward => self.forward(request).await,
            Act::Reply(reply) => reply,
            Act::ForwardThen(fault) => {
                self.forward(request).await;
                Reply::Fault(fault)
            }
            Act::Delay(delay) => {
                sleep(delay).await;
                self.forward(request).await
            }
            Act::Hold(release) => {
                release.notified().await;
                self.forward(request).await
            }
            Act::ForwardWith(headers) => replace(self.forward(request).await, headers),
        }
    }
}

impl Backend {
    fn new(upstream: &str) -> Self {
        Self {
            upstream: upstream.trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            hook: Mutex::new(forward()),
            requests: Mutex::default(),
        }
    }

    async fn forward(&self, request: Request) -> Reply {
        self.exchange(request).await.unwrap_or_else(|error| {
            let body = format!("the proxy cannot reach {}: {error}", self.upstream);
            Reply::Http { status: 502, headers: Vec::new(), body: body.into() }
        })
    }

    async fn exchange(&self, request: Request) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        let uri = format!("{}{}", self.upstream, request.path);
        let mut forwarded = ::http::Request::builder().method(request.method).uri(uri).body(Full::new(request.body))?;
        *forwarded.headers_mut() = request.headers;
        for hop in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            forwarded.headers_mut().remove(hop);
        }
        let (parts, body) = self.client.request(forwarded).await?.into_parts();
        let headers = parts
            .headers
            .iter()
            .filter(|(name, _)| **name != CONNECTION)
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Ok(Reply::Http { status: parts.status.as_u16(), headers, body: body.collect().await?.to_bytes() })
    }
}

/// Replaces the reply's headers of the same names.
fn replace(mut reply: Reply, new: Vec<(String, String)>) -> Reply {
    if let Reply::Http { headers, .. } = &mut reply {
        headers.retain(|(name, _)| !new.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
        headers.extend(new);
    }
    reply
}

impl fmt::Debug for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Backend").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{
        http::Server,
        testing::{TestResult, post},
    };

    /// An endpoint that returns the request's body and path, and a proxy in front of it.
    async fn echo() -> io::Result<(Server, Proxy)> {
        let upstream = Server::start(
            |request| async move {
                let headers = vec![("x-path".to_owned(), request.path), ("x-op".into(), "echo".into())];
                Reply::Http { status: 201, headers, body: request.body }
            },
            None,
        )
        .await?;
        let proxy = Proxy::start(&upstream.url()).await?;
        Ok((upstream, proxy))
    }

    #[tokio::test]
    async fn forwards_by_default() -> TestResult {
        let (_upstream, proxy) = echo().await?;
        let url = format!("{}/a?b=c", proxy.url());
        let answer = post(&url, &[("x-amz-target", "T.GetItem")], "body").await?;
        assert_eq!((answer.status, answer.body.as_ref()), (201, b"body".as_ref()));
        assert_eq!(answer.headers["x-path"], "/a?b=c");
        assert_eq!((proxy.count("GetItem"), proxy.count("PutItem")), (1, 0));
        assert_eq!(proxy.requests()[0].1.body, "body");
        Ok(())
    }

    #[tokio::test]
    async fn adds_tls_to_a_plain_endpoint() -> TestResult {
        let (upstream, _) = echo().await?;
        let proxy = Proxy::start_tls(&upstream.url(), &Tls::new()?).await?;
        assert!(proxy.url().starts_with("https://localhost:"), "{}", proxy.url());
        let plain = proxy.url().replace("https", "http");
        assert!(post(&plain, &[], "").await.is_err(), "only TLS");
        assert!(proxy.requests().is_empty());
        Ok(())
    }

    #[tokio::test]
    async fn follows_the_hook() -> TestResult {
        let (upstream, proxy) = echo().await?;
        let front = Proxy::start(&proxy.url()).await?;
        let delay = Duration::from_millis(100);
        front.on(move |operation, _| match operation {
            "A" => Act::Reply(Reply::aws_error(400, "Nope", "")),
            "B" => Act::ForwardThen(Fault::Reset),
            "C" => Act::Delay(delay),
            "E" => Act::ForwardWith(vec![("X-Op".into(), "proxy".into()), ("x-new".into(), "new".into())]),
            _ => Act::Forward,
        });
        let call = async |operation: &str| {
            let target = format!("T.{operation}");
            post(&front.url(), &[("x-amz-target", target.as_str())], "").await
        };
        assert_eq!(call("A").await?.status, 400);
        assert!(call("B").await.is_err());
        let started = Instant::now();
        assert_eq!(call("C").await?.status, 201);
        assert!(started.elapsed() >= delay);
        assert_eq!(call("D").await?.headers["x-op"], "echo");
        let replaced = call("E").await?;
        assert_eq!(replaced.headers.get_all("x-op").iter().collect::<Vec<_>>(), ["proxy"]);
        assert_eq!((replaced.status, &replaced.headers["x-new"]), (201, &"new".parse()?));
        assert_eq!([proxy.count("A"), proxy.count("B"), proxy.count("C"), proxy.count("D")], [0, 1, 1, 1]);

        let release = Arc::new(Notify::new());
        let held = Arc::clone(&release);
        front.on(move |_, _| Act::Hold(Arc::clone(&held)));
        let (answer, ()) = tokio::join!(call("F"), async {
            while front.count("F") == 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(proxy.count("F"), 0);
            release.notify_one();
        });
        assert_eq!((answer?.status, proxy.count("F")), (201, 1));

        front.clear();
        assert!(front.requests().is_empty());
        assert_eq!(call("A").await?.status, 201);

        drop(upstream);
        tokio::task::yield_now().await;
        assert_eq!(call("A").await?.status, 502);
        Ok(())
    }
}

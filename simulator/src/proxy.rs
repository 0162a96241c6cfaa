//! In front of a real endpoint, to make it fail on the wire.

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
use tokio::time::sleep;

use crate::{
    fault::Fault,
    http::{Reply, Request, Server},
    lock::lock,
    tls::Tls,
};

/// What becomes of one request.
#[derive(Clone, Debug)]
pub enum Act {
    /// The endpoint answers.
    Forward,
    /// The endpoint never hears of it.
    Reply(Reply),
    /// The endpoint gets it and does it; the caller gets the fault.
    ForwardThen(Fault),
    /// The endpoint answers, later.
    Delay(Duration),
    /// The endpoint answers; these headers, names and values, take the place of its own.
    ForwardWith(Vec<(String, String)>),
}

type Hook = Arc<dyn Fn(&str, &Request) -> Act + Send + Sync>;

/// Forwards everything to a real endpoint (the emulator), except where a hook says otherwise. `Host` and signature
/// stay as they came.
#[derive(Clone, Debug)]
pub struct Proxy {
    state: Arc<State>,
    server: Arc<Server>,
}

impl Proxy {
    /// Starts in front of `upstream`, an `http://` origin.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(upstream: &str) -> io::Result<Self> {
        Self::serve(upstream, None).await
    }

    /// Starts over TLS in front of `upstream`, which is an `http://` origin all the same.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start_tls(upstream: &str, tls: &Tls) -> io::Result<Self> {
        Self::serve(upstream, Some(tls)).await
    }

    async fn serve(upstream: &str, tls: Option<&Tls>) -> io::Result<Self> {
        let state = Arc::new(State {
            upstream: upstream.trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            hook: Mutex::new(forward()),
            seen: Mutex::default(),
        });
        let handler = {
            let state = Arc::clone(&state);
            move |request| Arc::clone(&state).answer(request)
        };
        Ok(Self { server: Arc::new(Server::start(handler, tls).await?), state })
    }

    /// The endpoint, for an `AWS_ENDPOINT_URL_*`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What serves it, to be asked about connections.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// From now on, `hook` sees each request first, with its [operation](Request::operation). It replaces the last
    /// one, and must not block.
    pub fn on(&self, hook: impl Fn(&str, &Request) -> Act + Send + Sync + 'static) {
        *lock(&self.state.hook) = Arc::new(hook);
    }

    /// Forgets the hook and the requests.
    pub fn clear(&self) {
        *lock(&self.state.hook) = forward();
        lock(&self.state.seen).clear();
    }

    /// Every request with its operation, forwarded or not, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<(String, Request)> {
        lock(&self.state.seen).clone()
    }

    /// How many of them called this operation.
    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        lock(&self.state.seen).iter().filter(|(name, _)| name == operation).count()
    }
}

fn forward() -> Hook {
    Arc::new(|_, _| Act::Forward)
}

struct State {
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    hook: Mutex<Hook>,
    seen: Mutex<Vec<(String, Request)>>,
}

impl State {
    async fn answer(self: Arc<Self>, request: Request) -> Reply {
        let operation = request.operation();
        lock(&self.seen).push((operation.clone(), request.clone()));
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
            Act::ForwardWith(headers) => replace(self.forward(request).await, headers),
        }
    }

    async fn forward(&self, request: Request) -> Reply {
        self.exchange(request).await.unwrap_or_else(|error| {
            let body = format!("the proxy's upstream {} failed: {error}", self.upstream);
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

/// The reply with these headers in the place of its own of the same names.
fn replace(mut reply: Reply, new: Vec<(String, String)>) -> Reply {
    if let Reply::Http { headers, .. } = &mut reply {
        headers.retain(|(name, _)| !new.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
        headers.extend(new);
    }
    reply
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("State").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::testing::{TestResult, post};

    /// An endpoint that answers with what it was sent, and a proxy before it.
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
    async fn forwards_what_no_hook_stops() -> TestResult {
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
    async fn speaks_tls_before_an_endpoint_that_does_not() -> TestResult {
        let (upstream, _) = echo().await?;
        let proxy = Proxy::start_tls(&upstream.url(), &Tls::new()?).await?;
        assert!(proxy.url().starts_with("https://localhost:"), "{}", proxy.url());
        let plain = proxy.url().replace("https", "http");
        assert!(post(&plain, &[], "").await.is_err(), "nothing but TLS");
        assert!(proxy.requests().is_empty());
        Ok(())
    }

    #[tokio::test]
    async fn acts_as_the_hook_says() -> TestResult {
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
        let begun = Instant::now();
        assert_eq!(call("C").await?.status, 201);
        assert!(begun.elapsed() >= delay);
        assert_eq!(call("D").await?.headers["x-op"], "echo");
        let replaced = call("E").await?;
        assert_eq!(replaced.headers.get_all("x-op").iter().collect::<Vec<_>>(), ["proxy"]);
        assert_eq!((replaced.status, &replaced.headers["x-new"]), (201, &"new".parse()?));
        assert_eq!([proxy.count("A"), proxy.count("B"), proxy.count("C"), proxy.count("D")], [0, 1, 1, 1]);

        front.clear();
        assert!(front.requests().is_empty());
        assert_eq!(call("A").await?.status, 201);

        drop(upstream);
        tokio::task::yield_now().await;
        assert_eq!(call("A").await?.status, 502);
        Ok(())
    }
}

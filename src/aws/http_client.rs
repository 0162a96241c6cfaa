//! The HTTP client under the SDK: hyper over rustls, HTTP/1.1 only, with one connection pool for all services.
//!
//! The SDK's own client also supports HTTP/2 and proxies. That makes up an eighth of the binary, a tenth of the memory
//! and of the CPU time of a cold start. If the SDK's client can be built without these, or if the function needs a
//! proxy, use it instead: this file and its tests are then not needed.

use std::{io, time::Duration};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
};
use aws_smithy_types::body::SdkBody;
use futures_util::FutureExt as _;
use http_body_util::Limited;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector as TcpConnector, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::time::timeout;
use tower::{Service as _, service_fn};

use super::error::chain;

/// How long an idle connection is kept. AWS does not document when its endpoints close theirs; this is less than common
/// load balancers allow, so a request is not sent on a connection that the service has just closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest body that is read. The largest that is expected, a page of the ledger's scan, is smaller than 400 KB.
/// The maximum number of calls at the same time, 64, must leave room in 128 MB.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Speaks HTTP/1.1, over TLS if the URL asks for it. All services share the connection pool, and so `connect_timeout`.
pub(super) fn http_client(tls: ClientConfig, connect_timeout: Duration) -> SharedHttpClient {
    let mut tcp = TcpConnector::new();
    tcp.set_nodelay(true);
    // The layer above decides between HTTP and HTTPS.
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    let connect = service_fn(move |uri| {
        let connecting = https.clone().call(uri);
        let late =
            |_| BoxError::from(io::Error::new(io::ErrorKind::TimedOut, "the connection could not be opened in time"));
        async move { timeout(connect_timeout, connecting).await.map_err(late)? }.boxed()
    });
    let mut builder = Client::builder(TokioExecutor::new());
    let pool = builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT).build(connect);
    http_client_fn(move |settings, _| {
        SharedHttpConnector::new(Hyper { pool: pool.clone(), read_timeout: settings.read_timeout() })
    })
}

/// Adapts hyper to the SDK's connector interface. Hyper itself never reuses a connection on which a request failed or
/// was abandoned. A connection with a server error is not reused either: the host at its other end may be broken, and
/// the next connection may lead to another one. The SDK can mark such connections, but does not under its newer retry
/// rules.
struct Hyper<C> {
    pool: Client<C, SdkBody>,
    /// The time limit until the response's headers arrive.
    read_timeout: Option<Duration>,
}

impl<C> std::fmt::Debug for Hyper<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Hyper")
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> HttpConnector for Hyper<C> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        if !matches!(request.uri().scheme_str(), Some("http" | "https")) {
            let error = format!("the URL {} does not start with http:// or https://", request.uri());
            return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
        }
        let connection = capture_connection(&mut request);
        let (responding, read_timeout) = (self.pool.request(request), self.read_timeout);
        HttpConnectorFuture::new(async move {
            let response = match read_timeout {
                None => responding.await,
                Some(limit) => timeout(limit, responding).await.map_err(|late| ConnectorError::timeout(late.into()))?,
            };
            let response = response.map_err(|error| connector_error(error.into()))?;
            if let Some(connection) = connection.connection_metadata().as_ref()
                && response.status().is_server_error()
            {
                connection.poison();
            }
            HttpResponse::try_from(response.map(|body| SdkBody::from_body_1_x(Limited::new(body, MAX_BODY_BYTES))))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Classifies an error as a timeout or as an I/O error. The kind decides the error's name. The SDK retries both.
fn connector_error(error: BoxError) -> ConnectorError {
    let io = chain(error.as_ref()).find_map(|error| error.downcast_ref::<io::Error>());
    if io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) {
        ConnectorError::timeout(error)
    } else {
        ConnectorError::io(error)
    }
}

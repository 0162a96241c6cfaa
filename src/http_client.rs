//! The SDK's HTTP client: hyper over rustls, HTTP/1.1, one pool of connections for all services. The SDK's own one brings
//! HTTP/2 and proxies along, an eighth of the binary, and reads all certificates again for each service.

use std::{error::Error as StdError, io, time::Duration};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        connection::{CaptureSmithyConnection, ConnectionMetadata},
        http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
};
use aws_smithy_types::{body::SdkBody, retry::ErrorKind};
use futures_util::FutureExt as _;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{
        Client, Error as Refusal,
        connect::{CaptureConnection, Connect, HttpConnector as TcpConnector, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::time::timeout;
use tower::{Service as _, service_fn};

/// How long finding a host, connecting and the TLS handshake may take together.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Speaks HTTP/1.1, over TLS where the URL says so.
pub(crate) fn http_client(tls: ClientConfig) -> SharedHttpClient {
    let mut tcp = TcpConnector::new();
    tcp.set_nodelay(true);
    // Whether a URL is plain HTTP is decided a layer above.
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    let connect = service_fn(move |uri| {
        let connecting = https.clone().call(uri);
        let late = |_| BoxError::from(io::Error::new(io::ErrorKind::TimedOut, "no connection in time"));
        async move { timeout(CONNECT_WITHIN, connecting).await.map_err(late)? }.boxed()
    });
    let pool = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connect);
    let connector = SharedHttpConnector::new(Hyper(pool));
    http_client_fn(move |_, _| connector.clone())
}

/// Hyper, as the SDK calls it.
struct Hyper<C>(Client<C, SdkBody>);

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
        // The SDK never uses a connection again on which a call failed.
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || Some(metadata(connection.clone())));
        }
        let responding = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let response = responding.await.map_err(|error| connector_error(error.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn metadata(connection: CaptureConnection) -> ConnectionMetadata {
    let poison = move || {
        if let Some(connection) = connection.connection_metadata().as_ref() {
            connection.poison();
        }
    };
    ConnectionMetadata::builder().proxied(false).poison_fn(poison).build()
}

/// In the SDK's terms, which decide whether it tries again.
fn connector_error(error: BoxError) -> ConnectorError {
    let io = find::<io::Error>(error.as_ref());
    let hyper = find::<hyper::Error>(error.as_ref());
    if io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) || hyper.is_some_and(hyper::Error::is_timeout) {
        ConnectorError::timeout(error)
    } else if hyper.is_some_and(hyper::Error::is_user) {
        ConnectorError::user(error)
    } else if hyper.is_some_and(hyper::Error::is_incomplete_message) {
        ConnectorError::other(error, Some(ErrorKind::TransientError))
    } else if io.is_some()
        || hyper.is_some_and(|hyper| hyper.is_closed() || hyper.is_canceled())
        || find::<Refusal>(error.as_ref()).is_some_and(Refusal::is_connect)
    {
        ConnectorError::io(error)
    } else {
        ConnectorError::other(error, None)
    }
}

/// The first error of this type among those that an error came from.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |error| (*error).source()).find_map(|error| error.downcast_ref())
}

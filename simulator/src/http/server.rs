//! The server: accepts, reads, asks its handler, answers or fails.

use std::{
    error::Error,
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::http::{
    Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use super::{Reply, Request, body::ReplyBody};
use crate::{fault::Fault, lock::lock, tls::Tls};

type BoxError = Box<dyn Error + Send + Sync>;

/// One HTTP server on loopback, over TLS where asked; it and its connections stop when it is dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    url: String,
    seen: Arc<Seen>,
    accepting: JoinHandle<()>,
}

/// What a server's handler does not see.
#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    pings: Mutex<Vec<Request>>,
}

impl Server {
    /// Serves `handler` on a free port. A handler is dropped where it stands when its caller goes away. `GET /ping` it
    /// does not see: as AWS's endpoints do, the server answers that itself.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start<H, F>(handler: H, tls: Option<&Tls>) -> io::Result<Self>
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let url = match tls {
            Some(_) => format!("https://localhost:{}", addr.port()),
            None => format!("http://{addr}"),
        };
        let seen = Arc::<Seen>::default();
        let accepting = tokio::spawn(accept(listener, Arc::new(handler), tls.map(Tls::acceptor), Arc::clone(&seen)));
        Ok(Self { addr, url, seen, accepting })
    }

    /// How many connections were accepted so far; over TLS, those whose handshake worked out.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// Every `GET /ping` so far.
    #[must_use]
    pub fn pings(&self) -> Vec<Request> {
        lock(&self.seen.pings).clone()
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT` with TLS.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept<H, F>(listener: TcpListener, handler: Arc<H>, tls: Option<TlsAcceptor>, seen: Arc<Seen>)
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(connection(socket, Arc::clone(&handler), tls.clone(), Arc::clone(&seen)));
                }
                // Out of file descriptors, most likely; others may close some.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<H, F>(socket: TcpStream, handler: Arc<H>, tls: Option<TlsAcceptor>, seen: Arc<Seen>)
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    // Only speed is lost without it.
    let _ = socket.set_nodelay(true);
    match tls {
        None => serve(socket, handler, seen, |socket| socket).await,
        // A caller that does not trust the certificate ends the handshake; that is its answer.
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(socket).await {
                serve(stream, handler, seen, |stream| stream.into_inner().0).await;
            }
        }
    }
}

/// Serves one connection to its end; `socket` finds the TCP stream in `S` again, for a reset.
async fn serve<S, H, F>(stream: S, handler: Arc<H>, seen: Arc<Seen>, socket: impl FnOnce(S) -> TcpStream)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    seen.connections.fetch_add(1, Ordering::Relaxed);
    let service = service_fn(|incoming| exchange(Arc::clone(&handler), Arc::clone(&seen), incoming));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let Err(error) = (&mut connection).await else { return };
    if error.source().is_some_and(<dyn Error>::is::<Reset>) {
        // With a linger of zero, the drop sends RST instead of FIN.
        let _ = socket(connection.into_parts().io.into_inner()).set_zero_linger();
    }
}

async fn exchange<H, F>(
    handler: Arc<H>,
    seen: Arc<Seen>,
    incoming: hyper::Request<Incoming>,
) -> Result<Response<ReplyBody>, BoxError>
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let (parts, body) = incoming.into_parts();
    let request = Request {
        method: parts.method,
        path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: parts.headers,
        body: body.collect().await?.to_bytes(),
    };
    if request.method == Method::GET && request.path == "/ping" {
        lock(&seen.pings).push(request);
        return plain(200, "healthy");
    }
    let reply = handler(request).await.when_due().await;
    match reply {
        Reply::Http { status, headers, body } => {
            whole(status, &headers, body).or_else(|error| plain(500, error.to_string()))
        }
        Reply::Fault(Fault::Garbage) => plain(200, Bytes::from_static(b"\xff\xfe%& neither JSON nor XML")),
        Reply::Fault(Fault::Truncated) => json(ReplyBody::cut(b"{\"State\": \"PEN", 512)),
        Reply::Fault(Fault::SlowBody(total)) => json(ReplyBody::trickle(b"{                  }", total)),
        Reply::Fault(Fault::Reset | Fault::NoAnswer) | Reply::After(..) => Err(Box::new(Reset)),
    }
}

fn whole(status: u16, headers: &[(String, String)], body: Bytes) -> Result<Response<ReplyBody>, BoxError> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        let name = HeaderName::try_from(name)?;
        // hyper frames the body itself, and takes a second opinion badly.
        if name != CONTENT_LENGTH && name != TRANSFER_ENCODING {
            response = response.header(name, value);
        }
    }
    Ok(response.body(ReplyBody::whole(body))?)
}

fn plain(status: u16, body: impl Into<Bytes>) -> Result<Response<ReplyBody>, BoxError> {
    Ok(Response::builder().status(status).body(ReplyBody::whole(body.into()))?)
}

fn json(body: ReplyBody) -> Result<Response<ReplyBody>, BoxError> {
    Ok(Response::builder().header(CONTENT_TYPE, "application/x-amz-json-1.1").body(body)?)
}

/// Makes hyper give the connection up without an answer.
#[derive(Debug)]
struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the connection is reset on purpose")
    }
}

impl Error for Reset {}

#[cfg(test)]
mod tests;

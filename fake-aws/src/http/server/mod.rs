//! The server: accepts connections, passes requests to a handler, and sends replies or faults.

use std::{
    error::Error,
    fmt,
    future::pending,
    io, mem,
    net::SocketAddr,
    pin::Pin,
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
    sync::broadcast,
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use super::{Ending, Fault, Reply, Request, body::ReplyBody};
use crate::{lock, tls::Tls};

type BoxError = Box<dyn Error + Send + Sync>;
type Handler = dyn Fn(Request) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync;

/// An HTTP server on loopback, optionally over TLS. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What a server shares with its connections.
struct Shared {
    handler: Box<Handler>,
    tls: Option<TlsAcceptor>,
    connections: AtomicUsize,
    /// Reaches every open connection. It is replaced when it is used, so that it does not reach later connections.
    endings: Mutex<broadcast::Sender<Ending>>,
    pings: Mutex<Vec<Request>>,
}

impl Server {
    /// Starts a server on a free port. The handler's future is dropped if the caller disconnects. The server answers
    /// `GET /ping` itself, as AWS endpoints do, without calling the handler.
    ///
    /// # Errors
    /// Fails if no port can be bound.
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
        let shared = Arc::new(Shared {
            handler: Box::new(move |request| Box::pin(handler(request))),
            tls: tls.map(Tls::acceptor),
            connections: AtomicUsize::new(0),
            endings: Mutex::new(broadcast::Sender::new(1)),
            pings: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { addr, url, shared, accepting })
    }

    /// The number of connections accepted so far. Over TLS, only those that completed the handshake.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Ends every open connection in this way and returns when that is done. New connections work.
    pub async fn end_connections(&self, ending: Ending) {
        let open = mem::replace(&mut *lock(&self.shared.endings), broadcast::Sender::new(1));
        // This fails if no connection is open.
        let _ = open.send(ending);
        open.closed().await;
    }

    /// Every `GET /ping` received so far.
    #[must_use]
    pub fn pings(&self) -> Vec<Request> {
        lock(&self.shared.pings).clone()
    }

    /// The address that the server listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The server's URL: `http://127.0.0.1:PORT`, or `https://localhost:PORT` over TLS.
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

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("connections", &self.connections).finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(connection(socket, Arc::clone(&shared)));
                }
                // Most likely out of file descriptors. Wait until another connection closes.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(socket: TcpStream, shared: Arc<Shared>) {
    // If this fails, responses are only slower.
    let _ = socket.set_nodelay(true);
    let ending = lock(&shared.endings).subscribe();
    match &shared.tls {
        None => serve(socket, &shared, ending, |socket| socket).await,
        // A caller that does not trust the certificate ends the handshake. There is nothing to answer.
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(socket).await {
                serve(stream, &shared, ending, |stream| stream.into_inner().0).await;
            }
        }
    }
}

/// Serves one connection until it ends. `socket` extracts the TCP stream from `S`, so that it can be reset.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    shared: &Shared,
    mut ending: broadcast::Receiver<Ending>,
    socket: impl FnOnce(S) -> TcpStream,
) {
    let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let service = service_fn(|incoming| exchange(shared, number, incoming));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let how = tokio::select! {
        served = &mut connection => match served {
            Err(error) if error.source().is_some_and(<dyn Error>::is::<Reset>) => Ending::Reset,
            _ => return,
        },
        Ok(how) = ending.recv() => how,
    };
    match how {
        Ending::Close => {
            Pin::new(&mut connection).graceful_shutdown();
            let _ = connection.await;
        }
        Ending::Reset => reset(&socket(connection.into_parts().io.into_inner())),
        Ending::Forget => {
            let socket = socket(connection.into_parts().io.into_inner());
            drop(ending);
            let _ = socket.peek(&mut [0]).await;
            reset(&socket);
        }
        Ending::Silence => {
            drop(ending);
            pending::<()>().await;
        }
    }
}

/// Makes closing the socket send RST instead of FIN: its linger time becomes zero.
fn reset(socket: &TcpStream) {
    let _ = socket.set_zero_linger();
}

/// Answers one request of the connection with this number.
async fn exchange(
    shared: &Shared,
    connection: usize,
    incoming: hyper::Request<Incoming>,
) -> Result<Response<ReplyBody>, BoxError> {
    let (parts, body) = incoming.into_parts();
    let request = Request {
        method: parts.method,
        path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: parts.headers,
        body: body.collect().await?.to_bytes(),
        connection,
    };
    if request.method == Method::GET && request.path == "/ping" {
        lock(&shared.pings).push(request);
        return plain(200, "healthy");
    }
    let reply = (shared.handler)(request).await.when_due().await;
    match reply {
        Reply::Http { status, headers, body } => {
            complete(status, &headers, body).or_else(|error| plain(500, error.to_string()))
        }
        Reply::Fault(Fault::Garbage) => plain(200, Bytes::from_static(b"\xff\xfe%& neither JSON nor XML")),
        Reply::Fault(Fault::Endless) => json(ReplyBody::endless()),
        Reply::Fault(Fault::Truncated) => json(ReplyBody::incomplete(b"{\"State\": \"PEN", 512)),
        Reply::Fault(Fault::SlowBody(total)) => json(ReplyBody::trickle(b"{                  }", total)),
        Reply::Fault(Fault::Reset | Fault::NoAnswer) | Reply::After(..) => Err(Box::new(Reset)),
    }
}

fn complete(status: u16, headers: &[(String, String)], body: Bytes) -> Result<Response<ReplyBody>, BoxError> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        let name = HeaderName::try_from(name)?;
        // hyper sets these headers itself and fails if they contradict the body.
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

/// An error that makes hyper drop the connection without a response.
#[derive(Debug)]
struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the simulator resets this connection on purpose")
    }
}

impl Error for Reset {}

#[cfg(test)]
mod tests;

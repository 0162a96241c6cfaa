//! What all simulated services have in common: a backend, a server in front of it, and a handle to both.

use std::{io, sync::Arc};

use crate::{
    http::{Reply, Request, Server},
    tls::Tls,
};

/// Answers the requests to one service.
pub trait Handle: Send + Sync + 'static {
    /// Answers one request. The future is dropped if the caller disconnects.
    fn handle(&self, request: Request) -> impl Future<Output = Reply> + Send;
}

/// A running service. Clones share the backend and the server, which stops when the last clone is dropped.
#[derive(Debug)]
pub struct FakeService<B> {
    pub(crate) backend: Arc<B>,
    server: Arc<Server>,
}

impl<B: Handle> FakeService<B> {
    /// Starts a server that answers from `backend`, over TLS if `tls` is given.
    ///
    /// # Errors
    /// Fails if no port can be bound.
    pub async fn serve(backend: B, tls: Option<&Tls>) -> io::Result<Self> {
        let backend = Arc::new(backend);
        let handler = {
            let backend = Arc::clone(&backend);
            move |request| {
                let backend = Arc::clone(&backend);
                async move { backend.handle(request).await }
            }
        };
        Ok(Self { server: Arc::new(Server::start(handler, tls).await?), backend })
    }
}

impl<B: Handle + Default> FakeService<B> {
    /// Starts over plain HTTP.
    ///
    /// # Errors
    /// Fails if no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::serve(B::default(), None).await
    }

    /// Starts over TLS.
    ///
    /// # Errors
    /// Fails if no port can be bound.
    pub async fn start_tls(tls: &Tls) -> io::Result<Self> {
        Self::serve(B::default(), Some(tls)).await
    }
}

impl<B> FakeService<B> {
    /// The endpoint's URL, for an `AWS_ENDPOINT_URL_*` variable.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The server, which counts connections and pings.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }
}

// Not derived: that would require a backend that implements `Clone`.
impl<B> Clone for FakeService<B> {
    fn clone(&self) -> Self {
        Self { backend: Arc::clone(&self.backend), server: Arc::clone(&self.server) }
    }
}

//! A private certificate authority, for the paths that read `SSL_CERT_FILE` or `AWS_CA_BUNDLE`.

use std::{fmt, io, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring::default_provider,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// A fresh authority and its certificate for `localhost` and `127.0.0.1`; nobody trusts it unasked.
#[derive(Clone)]
pub struct Tls {
    /// The authority's certificate: what a caller has to trust.
    pub ca_pem: String,
    server: Arc<ServerConfig>,
}

impl Tls {
    /// Makes an authority and lets it sign the server's certificate.
    ///
    /// # Errors
    /// When keys cannot be generated or rustls refuses what was made of them.
    pub fn new() -> io::Result<Self> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "simulator CA");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_key = KeyPair::generate().map_err(io::Error::other)?;
        let ca_pem = authority.self_signed(&authority_key).map_err(io::Error::other)?.pem();

        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut server = CertificateParams::new(names).map_err(io::Error::other)?;
        server.distinguished_name.push(DnType::CommonName, "localhost");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key)).map_err(io::Error::other)?;

        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private))
            .map_err(io::Error::other)?;
        // Services are hosts of their own elsewhere: a session with one must not be resumed with another.
        server.send_tls13_tickets = 0;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { ca_pem, server: Arc::new(server) })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("ca_pem", &self.ca_pem).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_authority_is_another() {
        let (one, other) = (Tls::new().unwrap(), Tls::new().unwrap());
        assert!(one.ca_pem.starts_with("-----BEGIN CERTIFICATE-----"));
        assert_ne!(one.ca_pem, other.ca_pem);
    }
}

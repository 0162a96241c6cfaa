//! A private certificate authority, for tests that set `SSL_CERT_FILE` or `AWS_CA_BUNDLE`.

mod aws;

use std::{fmt, io, sync::Arc};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, Error, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring::default_provider,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// A certificate authority and a server certificate for `localhost` and `127.0.0.1`. Callers have to be told to trust
/// the authority.
#[derive(Clone)]
pub struct Tls {
    /// The authority's certificate in PEM format. A caller that trusts it trusts the server.
    pub ca_pem: String,
    server: Arc<ServerConfig>,
}

impl Tls {
    /// Creates an authority with a new P-256 key, and a server certificate that it signs.
    ///
    /// # Errors
    /// Fails if keys cannot be generated or rustls rejects the certificate.
    pub fn new() -> io::Result<Self> {
        let authority = authority("simulator CA");
        let authority_key = KeyPair::generate().map_err(io::Error::other)?;
        let root = authority.self_signed(&authority_key).map_err(io::Error::other)?;

        let key = KeyPair::generate().map_err(io::Error::other)?;
        let issuer = Issuer::new(authority, authority_key);
        let certificate = server().and_then(|server| server.signed_by(&key, &issuer)).map_err(io::Error::other)?;
        Self::serve(&root, &[certificate], &key)
    }

    /// Creates a chain of RSA certificates like that of AWS's endpoints: a server certificate, an intermediate
    /// authority, and a root, whose certificate is [`ca_pem`](Self::ca_pem). For measurements: a client checks as many
    /// signatures, of the same kind, as with AWS. The keys are the same in every call.
    ///
    /// # Errors
    /// Fails if rustls rejects the certificates.
    pub fn like_aws() -> io::Result<Self> {
        let chain = aws::chain().map_err(io::Error::other)?;
        Self::serve(&chain.root, &chain.sent, &chain.key)
    }

    /// A server that sends this chain, which starts with its own certificate.
    fn serve(root: &Certificate, chain: &[Certificate], key: &KeyPair) -> io::Result<Self> {
        let chain = chain.iter().map(|certificate| certificate.der().clone()).collect();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, private))
            .map_err(io::Error::other)?;
        // All simulated services share one host name, unlike AWS endpoints. Without tickets, a client cannot resume a
        // session from one service with another, so it does as many full handshakes as it does with AWS.
        server.send_tls13_tickets = 0;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { ca_pem: root.pem(), server: Arc::new(server) })
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

/// A certificate authority with this name.
fn authority(name: &str) -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority
}

/// The server.
fn server() -> Result<CertificateParams, Error> {
    let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(server)
}

#[cfg(test)]
mod tests {
    use tokio_rustls::{
        TlsConnector,
        rustls::{
            ClientConfig, RootCertStore,
            pki_types::{CertificateDer, ServerName, pem::PemObject},
        },
    };

    use super::*;

    /// The start of an RSA public key of 2048 bits in a certificate.
    const RSA_2048: &[u8] =
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82\x01\x0f\x00\x30\x82\x01\x0a\x02\x82\x01\x01";
    /// A signature with SHA-256 and an RSA key of 2048 bits at the end of a certificate, without its 256 bytes.
    const SHA256_WITH_RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00\x03\x82\x01\x01\x00";

    /// The certificates that a client receives if it trusts only `root` and accepts them.
    async fn handshake(tls: &Tls, root: &Tls) -> io::Result<Vec<CertificateDer<'static>>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.ca_pem.as_bytes()).unwrap()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (near, far) = tokio::io::duplex(16 * 1024);
        let connector = TlsConnector::from(Arc::new(client));
        let name = ServerName::try_from("localhost").unwrap();
        let (client, _server) = tokio::join!(connector.connect(name, near), tls.acceptor().accept(far));
        Ok(client?.get_ref().1.peer_certificates().unwrap_or_default().to_vec())
    }

    #[tokio::test]
    async fn a_client_receives_as_many_rsa_certificates_as_from_aws() {
        let tls = Tls::like_aws().unwrap();
        let received = handshake(&tls, &tls).await.unwrap();
        assert_eq!(received.len(), 3);
        for certificate in received {
            assert!(certificate.windows(RSA_2048.len()).any(|part| part == RSA_2048));
            assert!(certificate[..certificate.len() - 256].ends_with(SHA256_WITH_RSA));
        }
    }

    #[tokio::test]
    async fn a_client_that_trusts_another_root_refuses_the_chain() {
        let error = handshake(&Tls::like_aws().unwrap(), &Tls::new().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    }

    #[test]
    fn every_authority_is_different() {
        let (one, other) = (Tls::new().unwrap(), Tls::new().unwrap());
        assert!(one.ca_pem.starts_with("-----BEGIN CERTIFICATE-----"));
        assert_ne!(one.ca_pem, other.ca_pem);
    }
}

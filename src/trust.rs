//! Whose word for a service's certificate is taken.

use std::{env, sync::Arc};

use rustls::{
    CipherSuite, ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::error::Error;

const AWS_CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// Amazon Trust Services' five roots, from its repository; AWS's endpoints have certificates that lead to one of them.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// The authorities that certificates may come from. Whatever it says, `AWS_CA_BUNDLE` goes before it, and so do
/// `SSL_CERT_FILE` and `SSL_CERT_DIR`, through the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Amazon's own, which the binary carries: reading the system's hundred and more takes longer than all the rest of
    /// a start.
    Amazon,
    /// The system's.
    System,
}

impl Trust {
    /// TLS 1.2 and 1.3 by ring, with these authorities.
    ///
    /// # Errors
    /// [`Error::InvalidConfiguration`] where `AWS_CA_BUNDLE` names no certificates.
    pub(crate) fn tls(self) -> Result<ClientConfig, Error> {
        let mut provider = ring::default_provider();
        // SHA-256 has instructions of its own on Lambda's CPUs, SHA-384 has not, and a handshake hashes a lot.
        provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(config.with_root_certificates(self.roots()?).with_no_client_auth())
    }

    fn roots(self) -> Result<RootCertStore, Error> {
        let named = |name: &str| env::var_os(name).filter(|path| !path.is_empty());
        // What reads the system's certificates does not know this one.
        if let Some(path) = named(AWS_CA_BUNDLE) {
            let bundle = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"));
            let roots = bundle.and_then(|bundle| usable_certificates(&bundle));
            return roots.map_err(|problem| Error::InvalidConfiguration(format!("{AWS_CA_BUNDLE} {problem}")));
        }
        if self == Self::Amazon && named("SSL_CERT_FILE").or_else(|| named("SSL_CERT_DIR")).is_none() {
            return usable_certificates(AMAZON_ROOTS).map_err(Error::Internal);
        }
        let found = rustls_native_certs::load_native_certs();
        for error in found.errors {
            tracing::warn!(Error = %error, "certificates of the system could not be read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        Ok(roots)
    }
}

/// The certificates of a bundle that can be a root of trust. One that cannot be, as old bundles have some, must not cost
/// all the others.
fn usable_certificates(bundle: &[u8]) -> Result<RootCertStore, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bundle).collect();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates.map_err(|error| format!("is not PEM: {error}"))?);
    if usable == 0 { Err("has no certificate that can be used".to_owned()) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_roots_can_all_be_used() {
        assert_eq!(usable_certificates(AMAZON_ROOTS).expect("certificates").len(), 5);
    }
}

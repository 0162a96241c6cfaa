//! Whose word for a service's certificate is taken.

use std::env;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use aws_smithy_types::base64;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::error::Error;

const AWS_CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// Amazon Trust Services' five roots, from its repository; AWS's endpoints have certificates that lead to one of them.
const AMAZON_ROOTS: &str = include_str!("amazon-roots.pem");

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
    /// What the connector is to check certificates against.
    ///
    /// # Errors
    /// [`Error::InvalidConfiguration`] where `AWS_CA_BUNDLE` names no certificates.
    pub(crate) fn context(self) -> Result<TlsContext, Error> {
        let named = |name: &str| env::var_os(name).filter(|path| !path.is_empty());
        // The SDK for Rust does not read this one, and its connector panics over a certificate that it cannot use.
        let pem = if let Some(path) = named(AWS_CA_BUNDLE) {
            let bundle = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"));
            let usable = bundle.and_then(|bundle| usable_certificates(&bundle));
            Some(usable.map_err(|problem| Error::InvalidConfiguration(format!("{AWS_CA_BUNDLE} {problem}")))?)
        } else if self == Self::Amazon && named("SSL_CERT_FILE").or_else(|| named("SSL_CERT_DIR")).is_none() {
            Some(AMAZON_ROOTS.to_owned())
        } else {
            None
        };
        let context = match pem {
            Some(pem) => TlsContext::builder().with_trust_store(TrustStore::empty().with_pem_certificate(pem)),
            None => TlsContext::builder(),
        };
        context.build().map_err(|error| Error::InvalidConfiguration(error.to_string()))
    }
}

/// The certificates of a bundle that can be a root of trust, as PEM again. One that cannot be, as old bundles have
/// some, must not cost all the others.
fn usable_certificates(bundle: &[u8]) -> Result<String, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bundle).collect();
    let certificates = certificates.map_err(|error| format!("is not PEM: {error}"))?;
    let is_usable = |der: &CertificateDer<'_>| RootCertStore::empty().add(der.clone()).is_ok();
    let pem = |der: CertificateDer<'_>| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64::encode(der))
    };
    let usable: String = certificates.into_iter().filter(is_usable).map(pem).collect();
    if usable.is_empty() { Err("has no certificate that can be used".to_owned()) } else { Ok(usable) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_roots_can_all_be_used() {
        let usable = usable_certificates(AMAZON_ROOTS.as_bytes()).expect("certificates");
        assert_eq!(usable.matches("BEGIN CERTIFICATE").count(), 5);
    }
}

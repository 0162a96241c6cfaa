//! TLS: which root certificates to trust, and the order of cipher suites.

use std::{env, ffi::OsStr, sync::Arc};

use rustls::{
    CipherSuite, ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::error::Error;

const AWS_CA_BUNDLE: &str = "AWS_CA_BUNDLE";
const SSL_CERT_FILE: &str = "SSL_CERT_FILE";
const SSL_CERT_DIR: &str = "SSL_CERT_DIR";

/// A client for TLS 1.2 and 1.3. Ring provides the cryptography.
///
/// # Errors
/// [`Error::InvalidConfiguration`] if `AWS_CA_BUNDLE`, `SSL_CERT_FILE` or `SSL_CERT_DIR` does not name certificates.
pub(super) fn client_config() -> Result<ClientConfig, Error> {
    let mut provider = ring::default_provider();
    // A handshake hashes a lot, and Lambda's CPUs have instructions for SHA-256 but not for SHA-384.
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(config.with_root_certificates(roots()?).with_no_client_auth())
}

/// The certificates of `AWS_CA_BUNDLE`, otherwise those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, otherwise Mozilla's,
/// which the binary contains: reading the system's takes longer than the rest of a cold start.
fn roots() -> Result<RootCertStore, Error> {
    let named = |name: &str| env::var_os(name).filter(|path| !path.is_empty());
    if let Some(path) = named(AWS_CA_BUNDLE) {
        return read_bundle(AWS_CA_BUNDLE, &path);
    }
    let (file, directory) = (named(SSL_CERT_FILE), named(SSL_CERT_DIR));
    if file.is_none() && directory.is_none() {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    }
    // `rustls_native_certs` would go on without a file that it cannot read.
    if let Some(path) = file {
        read_bundle(SSL_CERT_FILE, &path)?;
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::InvalidConfiguration(format!("{SSL_CERT_DIR} contains no usable certificate")));
    }
    Ok(roots)
}

/// Reads the certificates of the file that this variable names.
fn read_bundle(variable: &str, path: &OsStr) -> Result<RootCertStore, Error> {
    let bundle = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"));
    let roots = bundle.and_then(|bundle| usable_certificates(&bundle));
    roots.map_err(|problem| Error::InvalidConfiguration(format!("{variable} {problem}")))
}

/// The certificates of a PEM bundle that can serve as roots. Old bundles contain some that cannot; they are skipped.
fn usable_certificates(bundle: &[u8]) -> Result<RootCertStore, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bundle).collect();
    let mut roots = RootCertStore::empty();
    let (usable, _) =
        roots.add_parsable_certificates(certificates.map_err(|error| format!("is not a PEM file: {error}"))?);
    if usable == 0 { Err("contains no usable certificate".to_owned()) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_with_the_cheapest_handshake_comes_first() {
        let config = client_config().expect("valid certificates");
        let suites = &config.crypto_provider().cipher_suites;
        assert_eq!(suites[0].suite(), CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert_eq!(suites.len(), ring::default_provider().cipher_suites.len(), "all others follow");
    }
}

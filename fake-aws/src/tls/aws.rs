//! The chain of certificates that AWS's endpoints send: RSA keys of 2048 bits, and signatures with SHA-256. A client
//! that trusts the root checks two signatures of the chain, as it does with AWS.
//!
//! Since [2024](https://aws.amazon.com/blogs/security/acm-will-no-longer-cross-sign-certificates-with-starfield-class-2-starting-august-2024/),
//! a server of AWS sends three certificates: its own, that of an intermediate authority (such as `Amazon RSA 2048
//! M02`), and that of `Amazon Root CA 1`, signed by the older root `Starfield Services Root Certificate Authority -
//! G2`. Most clients trust `Amazon Root CA 1` itself. They receive the third certificate but do not use it.

use rcgen::{
    Certificate, CertificateParams, Error, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
};

use super::{authority, server};

// Ring cannot generate RSA keys. `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048` made these. They are
// public, protect nothing, and must never be trusted outside of tests.
const ROOT_KEY: &str = include_str!("keys/root.pem");
const INTERMEDIATE_KEY: &str = include_str!("keys/intermediate.pem");
const SERVER_KEY: &str = include_str!("keys/server.pem");

/// The certificates, and the server's key.
pub(super) struct Chain {
    /// The root, signed by itself. The server does not send it.
    pub(super) root: Certificate,
    /// In the order in which the server sends them.
    pub(super) sent: Vec<Certificate>,
    pub(super) key: KeyPair,
}

/// Signs new certificates for the fixed keys.
pub(super) fn chain() -> Result<Chain, Error> {
    let rsa = |pem| KeyPair::from_pkcs8_pem_and_sign_algo(pem, &PKCS_RSA_SHA256);
    let (root_key, intermediate_key, key) = (rsa(ROOT_KEY)?, rsa(INTERMEDIATE_KEY)?, rsa(SERVER_KEY)?);

    let root = authority("simulator root CA");
    // No client that trusts the root looks at this signature, so the older root needs no key of its own.
    let older = authority("simulator older root CA");
    let cross_signed = below(root.clone()).signed_by(&root_key, &Issuer::from_params(&older, &root_key))?;
    let intermediate = below(authority("simulator intermediate CA"));
    let intermediate_certificate = intermediate.signed_by(&intermediate_key, &Issuer::from_params(&root, &root_key))?;

    let mut server = below(server()?);
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    server.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    let server_certificate = server.signed_by(&key, &Issuer::from_params(&intermediate, &intermediate_key))?;

    Ok(Chain {
        root: root.self_signed(&root_key)?,
        sent: vec![server_certificate, intermediate_certificate, cross_signed],
        key,
    })
}

/// Names the issuer's key, as a public authority has to.
fn below(mut parameters: CertificateParams) -> CertificateParams {
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

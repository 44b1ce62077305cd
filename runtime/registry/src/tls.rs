//! TLS settings: which authorities are trusted, and who we are.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::endpoint::TlsOptions;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file cannot be read or holds no certificate.
    #[error("cannot read certificates from {}", .path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// A PEM file holds no certificate.
    #[error("{} holds no certificate", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A PEM file holds no private key.
    #[error("cannot read a private key from {}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// rustls refuses a certificate or key.
    #[error("unusable certificate or key in {}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// There is no rule which of several client certificates to show.
    #[error("{} is a second client certificate, and only one can be used", .path.display())]
    SeveralIdentities {
        /// The second one's file.
        path: PathBuf,
    },
    /// The system's authorities cannot be read.
    #[error("cannot read the system's certificate authorities: {0}")]
    System(String),
}

/// The certificate authorities that are trusted everywhere.
#[derive(Clone)]
pub struct Roots(Source);

#[derive(Clone)]
enum Source {
    Given(Arc<RootCertStore>),
    /// Read when the first TLS connection needs them: half of all pulls are from a mirror without.
    Files {
        file: Option<PathBuf>,
        folder: Option<PathBuf>,
        read: Arc<OnceLock<Arc<RootCertStore>>>,
    },
}

/// Where distributions keep the authorities in one file, the most common first.
const SYSTEM_FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];

impl Roots {
    /// Exactly these.
    #[must_use]
    pub fn given(store: RootCertStore) -> Self {
        Self(Source::Given(Arc::new(store)))
    }

    /// The system's, read when first needed.
    #[must_use]
    pub fn system() -> Self {
        let file = SYSTEM_FILES.iter().map(PathBuf::from).find(|path| path.exists());
        Self::files(file, None)
    }

    /// Those of a PEM file and of a folder of PEM files (`SSL_CERT_FILE`, `SSL_CERT_DIR`),
    /// read when first needed.
    #[must_use]
    pub fn files(file: Option<PathBuf>, folder: Option<PathBuf>) -> Self {
        Self(Source::Files { file, folder, read: Arc::default() })
    }

    /// How many there are.
    ///
    /// # Errors
    /// They can't be read.
    pub fn count(&self) -> Result<usize, TlsError> {
        Ok(self.store()?.len())
    }

    fn store(&self) -> Result<Arc<RootCertStore>, TlsError> {
        match &self.0 {
            Source::Given(store) => Ok(Arc::clone(store)),
            Source::Files { file, folder, read } => {
                if let Some(store) = read.get() {
                    return Ok(Arc::clone(store));
                }
                let found =
                    rustls_native_certs::load_certs_from_paths(file.as_deref(), folder.as_deref());
                if found.certs.is_empty() && !found.errors.is_empty() {
                    let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
                    return Err(TlsError::System(reasons.join("; ")));
                }
                let mut store = RootCertStore::empty();
                // A system's bundle may hold certificates of a form nobody can use any more.
                store.add_parsable_certificates(found.certs);
                Ok(Arc::clone(read.get_or_init(|| Arc::new(store))))
            }
        }
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Given(store) => write!(f, "Roots({})", store.len()),
            Source::Files { file, folder, .. } => write!(f, "Roots({file:?}, {folder:?})"),
        }
    }
}

/// The settings for one server; HTTP/2 where it speaks that.
pub(crate) fn client_config(roots: &Roots, options: &TlsOptions) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring has the suites of both TLS versions");
    let builder = if options.skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        let system = roots.store()?;
        let store = if options.authorities.is_empty() {
            system
        } else {
            let mut store = RootCertStore::clone(&system);
            for path in &options.authorities {
                add_authorities(&mut store, path)?;
            }
            Arc::new(store)
        };
        builder.with_root_certificates(store)
    };
    let mut config = match &options.identities[..] {
        [] => builder.with_no_client_auth(),
        [_, (second, _), ..] => {
            return Err(TlsError::SeveralIdentities { path: second.clone() });
        }
        [(certificate, key)] => {
            let chain = read_certificates(certificate)?;
            let path = key.as_ref().unwrap_or(certificate);
            let key = PrivateKeyDer::from_pem_file(path)
                .map_err(|source| TlsError::Key { path: path.clone(), source })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|source| TlsError::Unusable { path: certificate.clone(), source })?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn add_authorities(store: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    for certificate in read_certificates(path)? {
        store
            .add(certificate)
            .map_err(|source| TlsError::Unusable { path: path.to_owned(), source })?;
    }
    Ok(())
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let error = |source| TlsError::Certificates { path: path.to_owned(), source };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(error)?
        .collect::<Result<_, _>>()
        .map_err(error)?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { path: path.to_owned() });
    }
    Ok(certificates)
}

/// Takes any certificate, but still wants proof that the server has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

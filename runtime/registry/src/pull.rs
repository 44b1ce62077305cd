//! Manifests, indexes and configurations: small documents that are read whole, checked, and
//! only then shown to anybody.

use bytes::Bytes;
use isopod_image::document::{MAX_MANIFEST, ParseError, media_types};
use isopod_image::{Descriptor, Digest, Document, Reference};

use crate::answer::Answer;
use crate::attempts::Attempts;
use crate::blob::BlobStream;
use crate::client::{Ask, Client, Operation};
use crate::endpoint::Endpoint;
use crate::error::Error;

/// A header of the distribution specification.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// What a reference means at this moment.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Media type, digest and size of `bytes`.
    pub descriptor: Descriptor,
    /// The document as it came; its digest is verified.
    pub bytes: Bytes,
    /// The same, read.
    pub document: Document,
}

impl Client {
    /// Asks what `reference` means: by its digest if it has one, else by its tag.
    ///
    /// # Errors
    /// See [`Error`]; the document is verified against the reference's digest and the one the
    /// server announces, capped and checked to be of one kind.
    #[tracing::instrument(skip_all, fields(reference = %reference))]
    pub async fn resolve(&self, reference: &Reference) -> Result<Resolved, Error> {
        let operation =
            if reference.digest().is_some() { Operation::Pull } else { Operation::Resolve };
        let mut attempts = Attempts::new(&self.inner, reference, operation, Vec::new())?;
        loop {
            match self.resolve_at(attempts.endpoint(), reference).await {
                Ok(resolved) => return Ok(resolved),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    async fn resolve_at(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
    ) -> Result<Resolved, Error> {
        let name = reference.digest().map(Digest::as_str).or(reference.tag());
        let name = name.expect("a reference has a tag or a digest");
        let fetched = self.document(endpoint, name, &reference.to_string(), MAX_MANIFEST).await?;
        let digest = fetched.verify(reference.digest())?;
        fetched.resolved(digest)
    }

    /// A manifest or index by its descriptor, out of an index. Verified by digest, size and
    /// media type.
    ///
    /// # Errors
    /// See [`Error`].
    #[tracing::instrument(skip_all, fields(reference = %reference, digest = %descriptor.digest))]
    pub async fn manifest(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
    ) -> Result<Bytes, Error> {
        let what = descriptor.digest.to_string();
        if let Some(bytes) = descriptor.embedded() {
            return Ok(bytes.into());
        }
        if descriptor.size > MAX_MANIFEST {
            let host = reference.registry().to_owned();
            return Err(Error::TooLarge { what, host, limit: MAX_MANIFEST });
        }
        let mut attempts = Attempts::new(&self.inner, reference, Operation::Pull, Vec::new())?;
        loop {
            match self.manifest_at(attempts.endpoint(), descriptor).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    async fn manifest_at(
        &self,
        endpoint: &Endpoint,
        descriptor: &Descriptor,
    ) -> Result<Bytes, Error> {
        let what = descriptor.digest.to_string();
        let host = endpoint.host.clone();
        let fetched = self.document(endpoint, &what, &what, MAX_MANIFEST).await?;
        fetched.verify(Some(&descriptor.digest))?;
        let (expected, actual) = (descriptor.size, fetched.bytes.len() as u64);
        if actual != expected {
            return Err(Error::SizeMismatch { what, host, expected, actual });
        }
        let resolved = fetched.resolved(descriptor.digest.clone())?;
        if resolved.descriptor.media_type != descriptor.media_type {
            let source = ParseError::MediaTypeMismatch {
                document: resolved.descriptor.media_type,
                header: descriptor.media_type.clone(),
            };
            return Err(Error::Document { what, host, source });
        }
        Ok(resolved.bytes)
    }

    /// A small blob, such as a configuration, whole and verified. `cap` is in bytes.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::TooLarge`] without asking if the descriptor exceeds `cap`.
    #[tracing::instrument(skip_all, fields(reference = %reference, digest = %descriptor.digest))]
    pub async fn blob_bytes(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        cap: u64,
    ) -> Result<Bytes, Error> {
        let what = descriptor.digest.to_string();
        if descriptor.size > cap {
            let host = reference.registry().to_owned();
            return Err(Error::TooLarge { what, host, limit: cap });
        }
        if let Some(bytes) = descriptor.embedded() {
            return Ok(bytes.into());
        }
        let mut attempts = Attempts::new(&self.inner, reference, Operation::Pull, Vec::new())?;
        loop {
            match self.blob_at(attempts.endpoint(), descriptor).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    async fn blob_at(&self, endpoint: &Endpoint, descriptor: &Descriptor) -> Result<Bytes, Error> {
        let (what, host) = (descriptor.digest.to_string(), endpoint.host.clone());
        let stream = BlobStream::once(self, endpoint.clone(), descriptor);
        let idle = self.inner.config().timeouts.document;
        let Ok(bytes) = tokio::time::timeout(idle, stream.into_bytes()).await else {
            return Err(Error::Stalled { what, host, idle });
        };
        let bytes = bytes?;
        let actual = Digest::compute(descriptor.digest.algorithm(), &bytes);
        if actual == descriptor.digest {
            return Ok(bytes);
        }
        let (expected, actual) = (what.clone(), actual.to_string());
        Err(Error::DigestMismatch { what, host, expected, actual })
    }

    async fn document(
        &self,
        endpoint: &Endpoint,
        name: &str,
        what: &str,
        cap: u64,
    ) -> Result<Fetched, Error> {
        let timeouts = self.inner.config().timeouts;
        let url = self.inner.transport.url(endpoint, "manifests", name)?;
        let accept = media_types::ACCEPTED.join(", ");
        let exchange = async {
            let ask = Ask::get(url, what, &accept);
            let answer = self.inner.get(endpoint, ask).await?;
            Fetched::read(answer, what, cap, timeouts.idle).await
        };
        tokio::time::timeout(timeouts.document, exchange).await.map_err(|_| Error::Stalled {
            what: what.to_owned(),
            host: endpoint.host.clone(),
            idle: timeouts.document,
        })?
    }
}

/// A document as it came, not yet trusted.
struct Fetched {
    what: String,
    host: String,
    bytes: Bytes,
    content_type: Option<String>,
    announced: Option<Digest>,
}

impl Fetched {
    async fn read(
        answer: Answer,
        what: &str,
        cap: u64,
        idle: std::time::Duration,
    ) -> Result<Self, Error> {
        let host = answer.host.clone();
        if answer.response.status() != reqwest::StatusCode::OK {
            let problem = format!("it sends only a part of {what}");
            return Err(Error::Protocol { host, problem });
        }
        let content_type = answer.header("content-type").map(str::to_owned);
        let announced = answer.header(CONTENT_DIGEST).map(str::parse::<Digest>).transpose();
        let announced = announced.map_err(|source| Error::Protocol {
            host: host.clone(),
            problem: format!("its Docker-Content-Digest is unusable: {source}"),
        })?;
        let bytes = answer.body(what, cap, idle).await?;
        Ok(Self { what: what.to_owned(), host, bytes, content_type, announced })
    }

    /// Holds the bytes against the digest that was asked for and the one that was announced;
    /// returns the one to call them by.
    fn verify(&self, expected: Option<&Digest>) -> Result<Digest, Error> {
        for claimed in expected.into_iter().chain(&self.announced) {
            let actual = Digest::compute(claimed.algorithm(), &self.bytes);
            if actual != *claimed {
                return Err(Error::DigestMismatch {
                    what: self.what.clone(),
                    host: self.host.clone(),
                    expected: claimed.to_string(),
                    actual: actual.to_string(),
                });
            }
        }
        let name = expected.or(self.announced.as_ref()).cloned();
        Ok(name.unwrap_or_else(|| Digest::sha256(&self.bytes)))
    }

    fn resolved(self, digest: Digest) -> Result<Resolved, Error> {
        let Self { what, host, bytes, content_type, .. } = self;
        let document = Document::parse(&bytes, content_type.as_deref())
            .map_err(|source| Error::Document { what, host, source })?;
        let descriptor = Descriptor::new(document.media_type(), digest, bytes.len() as u64);
        Ok(Resolved { descriptor, bytes, document })
    }
}

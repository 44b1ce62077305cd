//! Pushing: blobs and manifests to one server (OCI distribution-spec, "Pushing Blobs" and "Pushing
//! Manifests").
//!
//! A blob goes in one request where nothing breaks: `POST` for a place, `PUT` of everything. After a
//! broken connection the server is asked how much it has, and the rest follows; a server that does not
//! keep parts is sent the whole again. One server gets all of an image, as its parts belong together.

use std::sync::Arc;

use bytes::Bytes;
use isopod_image::{Descriptor, Digest, Reference};
use reqwest::{Method, StatusCode};
use url::Url;

use crate::address::Reach;
use crate::answer::Answer;
use crate::client::{Ask, Client, Inner, Operation};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::outgoing::{BlobSource, Outgoing, Sent};
use crate::redirect::check_target;
use crate::retry::Backoff;
use crate::transport::Payload;

/// The server that takes an image, for as long as one push lasts.
pub struct Pusher {
    client: Arc<Inner>,
    endpoint: Endpoint,
    /// Its repository is called by another name there, so that neighbours' names are unknown.
    is_renamed: bool,
}

/// How a blob got there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It was there.
    Exists,
    /// The server took it over from another of its repositories.
    Mounted,
    /// It was sent.
    Uploaded,
}

/// A place that the server gave for a blob.
#[derive(Debug, Clone)]
struct Upload {
    url: Url,
    /// Where the answer came from that named it.
    sent_by: Reach,
    /// Bytes that it has.
    offset: u64,
}

enum Begun {
    Mounted,
    Upload(Upload),
}

impl Client {
    /// The server that `reference` is pushed to: the first that takes content.
    ///
    /// # Errors
    /// The configuration for its registry is unusable, or lets no server take content.
    pub fn pusher(&self, reference: &Reference) -> Result<Pusher, Error> {
        let mut endpoints = self.inner.endpoints_for(reference, Operation::Push)?;
        let endpoint = endpoints.swap_remove(0);
        let is_renamed = endpoint.repository != reference.repository();
        Ok(Pusher { client: Arc::clone(&self.inner), endpoint, is_renamed })
    }
}

impl Pusher {
    /// Sees to it that the server has a blob. `neighbour` is a repository of the same registry that is
    /// said to have it.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Damaged`] where `source` has other bytes than `descriptor` says, of which
    /// the server then keeps none.
    #[tracing::instrument(skip_all, fields(digest = %descriptor.digest))]
    pub async fn blob(
        &self,
        descriptor: &Descriptor,
        source: &Arc<dyn BlobSource>,
        neighbour: Option<&str>,
        progress: Sent<'_>,
    ) -> Result<Pushed, Error> {
        let neighbour = neighbour.filter(|_| !self.is_renamed);
        let mut backoff = Backoff::new(self.client.config().retry);
        let mut broken = None;
        loop {
            let transfer = Transfer { pusher: self, descriptor, source, progress };
            let failed = match transfer.run(neighbour, &mut broken).await {
                Ok(pushed) => return Ok(pushed),
                Err(error) => error,
            };
            if !backoff.after(&failed).await {
                self.client.note_failure(&self.endpoint, &failed);
                return Err(failed);
            }
        }
    }

    /// Stores a manifest or index under `name`, a tag or its digest.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::DigestMismatch`] where the server says that it stored something else.
    #[tracing::instrument(skip_all, fields(name))]
    pub async fn manifest(
        &self,
        name: &str,
        descriptor: &Descriptor,
        bytes: &Bytes,
    ) -> Result<(), Error> {
        let mut backoff = Backoff::new(self.client.config().retry);
        loop {
            let failed = match self.put_manifest(name, descriptor, bytes).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if !backoff.after(&failed).await {
                return Err(failed);
            }
        }
    }

    async fn put_manifest(
        &self,
        name: &str,
        descriptor: &Descriptor,
        bytes: &Bytes,
    ) -> Result<(), Error> {
        let what = format!("manifest {}", descriptor.digest);
        let url = self.client.transport.url(&self.endpoint, "manifests", name)?;
        let payload = Payload::Document { media_type: &descriptor.media_type, bytes };
        let ask = Ask { payload, ..Ask::to(Method::PUT, url, &what) };
        let answer = self.client.exchange(&self.endpoint, ask).await?;
        let expected = [StatusCode::CREATED, StatusCode::OK, StatusCode::ACCEPTED];
        let answer = answer.one_of(&what, &expected).await?;
        let stored = answer.header("docker-content-digest").unwrap_or_default();
        // A server may name it by another hash function than we do.
        let comparable = stored.parse::<Digest>().is_ok_and(|stored| {
            stored.algorithm() == descriptor.digest.algorithm() && stored != descriptor.digest
        });
        if comparable {
            return Err(Error::DigestMismatch {
                host: answer.host.clone(),
                expected: descriptor.digest.to_string(),
                actual: stored.to_owned(),
                what,
            });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Pusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pusher({}/{})", self.endpoint.origin(), self.endpoint.repository)
    }
}

/// One blob.
struct Transfer<'a> {
    pusher: &'a Pusher,
    descriptor: &'a Descriptor,
    source: &'a Arc<dyn BlobSource>,
    progress: Sent<'a>,
}

impl Transfer<'_> {
    /// One attempt; `broken` is where the one before ended.
    async fn run(
        &self,
        neighbour: Option<&str>,
        broken: &mut Option<Upload>,
    ) -> Result<Pushed, Error> {
        let earlier = broken.take();
        if self.is_there().await? {
            // Of an upload whose answer was lost, too.
            let pushed = if earlier.is_some() { Pushed::Uploaded } else { Pushed::Exists };
            return Ok(pushed);
        }
        if let Some(upload) = earlier
            && let Ok(upload) = self.status(upload).await
            && upload.offset > 0
            && self.send(&upload).await.is_ok()
        {
            return Ok(Pushed::Uploaded);
        }
        let upload = match self.begin(neighbour).await? {
            Begun::Mounted => return Ok(Pushed::Mounted),
            Begun::Upload(upload) => upload,
        };
        *broken = Some(upload.clone());
        self.send(&upload).await.map(|()| Pushed::Uploaded)
    }

    fn what(&self) -> String {
        self.descriptor.digest.to_string()
    }

    async fn is_there(&self) -> Result<bool, Error> {
        let (what, Pusher { client, endpoint, .. }) = (self.what(), self.pusher);
        let url = client.transport.url(endpoint, "blobs", &what)?;
        let answer = client.exchange(endpoint, Ask::to(Method::HEAD, url, &what)).await?;
        if answer.response.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        answer.one_of(&what, &[StatusCode::OK]).await.map(|_| true)
    }

    /// Asks for a place, or for the blob of a neighbour where there is one.
    async fn begin(&self, neighbour: Option<&str>) -> Result<Begun, Error> {
        let (what, Pusher { client, endpoint, .. }) = (self.what(), self.pusher);
        let plain = client.transport.url(endpoint, "blobs", "uploads/")?;
        if let Some(from) = neighbour {
            let mut url = plain.clone();
            url.query_pairs_mut().append_pair("mount", &what).append_pair("from", from);
            let answer = client.exchange(endpoint, Ask::to(Method::POST, url, &what)).await?;
            // Whoever may not look at the neighbour may still have a place.
            match answer.response.status() {
                StatusCode::CREATED => return Ok(Begun::Mounted),
                StatusCode::ACCEPTED => return Ok(Begun::Upload(place(&answer)?)),
                status => tracing::debug!(%status, from, "the blob is not mounted"),
            }
        }
        let answer = client.exchange(endpoint, Ask::to(Method::POST, plain, &what)).await?;
        let answer = answer.one_of(&what, &[StatusCode::ACCEPTED]).await?;
        Ok(Begun::Upload(place(&answer)?))
    }

    /// How much of a broken upload the server has.
    async fn status(&self, upload: Upload) -> Result<Upload, Error> {
        let what = self.what();
        let ask = Ask {
            sent_by: Some(upload.sent_by),
            ..Ask::to(Method::GET, upload.url.clone(), &what)
        };
        let answer = self.pusher.client.exchange(&self.pusher.endpoint, ask).await?;
        let answer = answer.one_of(&what, &[StatusCode::NO_CONTENT]).await?;
        let offset = answer.header("range").and_then(offset).unwrap_or(0);
        let offset = if offset < self.descriptor.size { offset } else { 0 };
        let place = place(&answer).unwrap_or(upload);
        Ok(Upload { offset, ..place })
    }

    /// Sends what the place lacks, and closes it.
    async fn send(&self, upload: &Upload) -> Result<(), Error> {
        let (what, Pusher { client, endpoint, .. }) = (self.what(), self.pusher);
        let Self { descriptor, source, progress, .. } = *self;
        let blob = Outgoing { source, descriptor, from: upload.offset, progress };
        let mut last = upload.clone();
        let mut payload = Payload::Blob(&blob);
        if upload.offset > 0 {
            let sent_by = Some(upload.sent_by);
            let ask = Ask::to(Method::PATCH, upload.url.clone(), &what);
            let answer = client.exchange(endpoint, Ask { payload, sent_by, ..ask }).await?;
            let expected = [StatusCode::ACCEPTED, StatusCode::NO_CONTENT];
            last = place(&answer.one_of(&what, &expected).await?)?;
            payload = Payload::None;
        }
        let mut url = last.url;
        url.query_pairs_mut().append_pair("digest", &what);
        let sent_by = Some(last.sent_by);
        let ask = Ask { payload, sent_by, ..Ask::to(Method::PUT, url, &what) };
        let answer = client.exchange(endpoint, ask).await?;
        let expected = [StatusCode::CREATED, StatusCode::NO_CONTENT, StatusCode::OK];
        answer.one_of(&what, &expected).await?;
        progress(descriptor.size);
        Ok(())
    }
}

/// The place that an answer names.
fn place(answer: &Answer) -> Result<Upload, Error> {
    let from = answer.response.url();
    let url = answer.header("location").and_then(|location| from.join(location).ok());
    let Some(url) = url else {
        let problem = "it gives an upload no usable Location".to_owned();
        return Err(Error::Protocol { host: answer.host.clone(), problem });
    };
    check_target(from, &url, &answer.host)?;
    Ok(Upload { url, sent_by: answer.from, offset: 0 })
}

/// The bytes before the end of `[bytes=]0-last`; a server without any says `0-0` too.
fn offset(range: &str) -> Option<u64> {
    let range = range.trim();
    let (first, last) = range.strip_prefix("bytes=").unwrap_or(range).split_once('-')?;
    let last: u64 = last.parse().ok()?;
    (first == "0" && last > 0).then_some(last + 1)
}

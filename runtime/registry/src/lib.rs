//! temporary shape
#![allow(missing_docs)]
use isopod_image::{Descriptor, Reference, Document};
use bytes::Bytes;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct Error;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind { NotFound, Unauthorized, Denied, RateLimited, Unreachable, Tls, Stalled, DigestMismatch, SizeMismatch, TooLarge, Protocol, Configuration }
impl Error { pub fn kind(&self) -> ErrorKind { ErrorKind::Protocol } }
#[derive(Debug, Clone, Default)]
pub struct Config;
pub struct Client;
pub struct Resolved { pub descriptor: Descriptor, pub bytes: Bytes, pub document: Document }
pub struct BlobStream;
impl BlobStream { pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> { Ok(None) } }
impl Client {
 pub fn new(_: Config) -> Result<Self, Error> { Ok(Client) }
 pub async fn resolve(&self, _: &Reference) -> Result<Resolved, Error> { Err(Error) }
 pub async fn manifest(&self, _: &Reference, _: &Descriptor) -> Result<Bytes, Error> { Err(Error) }
 pub async fn blob_bytes(&self, _: &Reference, _: &Descriptor, _: u64) -> Result<Bytes, Error> { Err(Error) }
 pub async fn open_blob(&self, _: &Reference, _: &Descriptor, _: u64) -> Result<BlobStream, Error> { Err(Error) }
}

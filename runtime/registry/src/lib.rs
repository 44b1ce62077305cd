//! The client side of the OCI distribution specification: hosts, credentials, manifests and
//! resumable blobs.
//!
//! - [`config`]: everything that enters from outside, gathered once;
//! - [`hosts`]: which servers stand for a registry, from `hosts.toml`, `registries.conf` and `certs.d`;
//! - [`auth`]: challenges, tokens and credentials, each bound to one server;
//! - [`client`]: what callers use; its parts are `transport` (one exchange; `redirect`, `answer` and `failure` say
//!   where it may lead and what came of it),
//!   `pull` (manifests and configurations), [`blob`] (layers as resumable streams) and [`push`]
//!   (the way out, with `outgoing` for a blob's bytes);
//! - `tags`: which tags a repository has;
//! - `login`: whether a credential is right;
//! - [`error`]: what can go wrong, for whoever tells a person.
//!
//! Nothing here reads the environment, prints, or decides where content is stored.

mod address;
mod answer;
mod attempts;
pub mod auth;
pub mod blob;
pub mod client;
pub mod config;
pub mod endpoint;
pub mod error;
mod failure;
pub mod hosts;
mod login;
mod names;
mod outgoing;
pub mod proxy;
mod pull;
pub mod push;
mod redirect;
mod retry;
mod tags;
mod tls;
mod transport;

#[cfg(test)]
mod tests;

pub use blob::BlobStream;
pub use client::Client;
pub use config::Config;
pub use error::{Error, ErrorKind};
pub use outgoing::{BlobSource, Sent};
pub use pull::Resolved;
pub use push::{Pushed, Pusher};
pub use retry::RetryPolicy;
pub use tls::Roots;

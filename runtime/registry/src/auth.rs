//! Challenges, tokens and credentials, each bound to one server.
//!
//! Sources: RFC 9110, 11 (challenges); the distribution project's token and OAuth2
//! specifications; containers-auth.json(5) and docker's config.json.

pub(crate) mod challenge;
mod credential_helper;
mod credentials;
pub(crate) mod session;
mod store;

pub use credentials::{Credential, CredentialError, Credentials};
pub use store::{CredentialStore, Kept};

//! `crictl`: against Debian's containerd, and against a server that answers whatever a test wants.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

mod answers;
mod client;
mod containerd;
mod fake;
mod life;
mod streams;

//! The harness of the end-to-end tests: the built binary against a real kernel, real
//! registries and real peers, each test in folders of its own.
//!
//! - [`TestContext`]: one instance of Isopod, with its root, state and home; it goes away
//!   with everything in it, and says what it could not take away.
//! - [`Invocation`], [`Outcome`]: one command line, and what came of it.
//! - [`Terminal`]: the same under a pseudo-terminal.
//! - [`Fixtures`]: the registries that `scripts/registry` started, and their images.
//! - [`Served`]: a registry inside the test, that counts requests and lies as it is told.
//! - [`handmade`]: images written byte for byte.
//! - [`tree`]: what a root file system looks like, to be compared with a peer's.
//! - [`until`]: patience with what takes a moment.
//! - [`NetworkNamespace`]: a «host» for networks, of the test's own.
//! - [`orphans`]: adopts and reaps what commands leave running.
//! - [`passable`]: folders that mapped users reach.
//! - [`leftovers`]: mounts, processes and cgroups that still hold a folder or a container.
//!
//! Tests that look at the source tree rather than run the binary are in `tests/structure.rs`.

#![allow(missing_docs, reason = "assertions are named to be read; what needs words has them")]

pub mod binary;
mod context;
mod fixtures;
pub mod handmade;
mod invocation;
pub mod leftovers;
pub mod network;
pub mod orphans;
mod outcome;
pub mod passable;
mod patience;
pub mod served;
mod terminal;
pub mod tree;

pub use context::TestContext;
pub use fixtures::{Fixtures, Registry};
pub use invocation::{Invocation, Running};
pub use network::NetworkNamespace;
pub use outcome::Outcome;
pub use patience::until;
pub use served::{Reply, Request, Served};
pub use terminal::Terminal;

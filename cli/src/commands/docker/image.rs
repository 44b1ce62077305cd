//! `image …` and its shortcuts.

mod filter;
pub mod inspect;
mod list;
pub mod names;
pub mod platform;
mod pull;
mod rmi;
mod tag;

use crate::commands::Entry;

/// `image inspect`.
const INSPECT: Entry = Entry::verb::<inspect::Args>("inspect");
/// `image ls`, `images`.
pub const LIST: Entry = Entry::verb::<list::Args>("ls").aliases(&["list"]);
/// `pull`.
pub const PULL: Entry = Entry::verb::<pull::Args>("pull");
/// `image rm`, `rmi`.
pub const REMOVE: Entry = Entry::verb::<rmi::Args>("rm").aliases(&["remove"]);
/// `tag`.
pub const TAG: Entry = Entry::verb::<tag::Args>("tag");

/// Sorted by name.
pub const TABLE: &[Entry] = &[INSPECT, LIST, PULL, REMOVE, TAG];

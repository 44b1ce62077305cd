//! `image …` and its shortcuts.

mod filter;
pub mod inspect;
mod list;
mod load;
pub mod names;
pub mod platform;
mod pull;
mod rmi;
mod save;
mod tag;

use crate::commands::Entry;

/// `image inspect`.
const INSPECT: Entry = Entry::verb::<inspect::Args>("inspect");
/// `image ls`, `images`.
pub const LIST: Entry = Entry::verb::<list::Args>("ls").aliases(&["list"]);
/// `load`.
pub const LOAD: Entry = Entry::verb::<load::Args>("load");
/// `pull`.
pub const PULL: Entry = Entry::verb::<pull::Args>("pull");
/// `image rm`, `rmi`.
pub const REMOVE: Entry = Entry::verb::<rmi::Args>("rm").aliases(&["remove"]);
/// `save`.
pub const SAVE: Entry = Entry::verb::<save::Args>("save");
/// `tag`.
pub const TAG: Entry = Entry::verb::<tag::Args>("tag");

/// Sorted by name.
pub const TABLE: &[Entry] = &[INSPECT, LOAD, LIST, PULL, REMOVE, SAVE, TAG];

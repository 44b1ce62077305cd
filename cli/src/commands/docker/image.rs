//! `image …` and its shortcuts.

mod filter;
mod history;
mod import;
pub mod inspect;
mod list;
mod load;
pub mod names;
pub mod platform;
pub mod prune;
mod pull;
mod push;
mod rmi;
mod save;
mod tag;

use crate::commands::Entry;

/// `history`.
pub const HISTORY: Entry = Entry::verb::<history::Args>("history");
/// `import`.
pub const IMPORT: Entry = Entry::verb::<import::Args>("import");
/// `image prune`.
const PRUNE: Entry = Entry::verb::<prune::Args>("prune");
/// `image inspect`.
const INSPECT: Entry = Entry::verb::<inspect::Args>("inspect");
/// `image ls`, `images`.
pub const LIST: Entry = Entry::verb::<list::Args>("ls").aliases(&["list"]);
/// `load`.
pub const LOAD: Entry = Entry::verb::<load::Args>("load");
/// `pull`.
pub const PULL: Entry = Entry::verb::<pull::Args>("pull");
/// `push`.
pub const PUSH: Entry = Entry::verb::<push::Args>("push");
/// `image rm`, `rmi`.
pub const REMOVE: Entry = Entry::verb::<rmi::Args>("rm").aliases(&["remove"]);
/// `save`.
pub const SAVE: Entry = Entry::verb::<save::Args>("save");
/// `tag`.
pub const TAG: Entry = Entry::verb::<tag::Args>("tag");

/// Sorted by name.
pub const TABLE: &[Entry] =
    &[HISTORY, IMPORT, INSPECT, LOAD, LIST, PRUNE, PULL, PUSH, REMOVE, SAVE, TAG];

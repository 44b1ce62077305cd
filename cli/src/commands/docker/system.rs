//! `system …`, and what stands beside the nouns.

mod completion;
mod disable;
mod enable;
mod info;
mod inspect;
mod outcomes;
mod start_all;
mod stop_all;
mod unit;
mod version;

use crate::commands::Entry;

/// `completion`.
pub const COMPLETION: Entry = Entry::verb::<completion::Args>("completion").without_root();
/// `info`.
pub const INFO: Entry = Entry::verb::<info::Args>("info");
/// `inspect` of any object.
pub const INSPECT: Entry = Entry::verb::<inspect::Args>("inspect");
/// `version`.
pub const VERSION: Entry = Entry::verb::<version::Args>("version").without_root();

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    Entry::verb::<disable::Args>("disable"),
    Entry::verb::<enable::Args>("enable"),
    INFO,
    Entry::verb::<start_all::Args>("start-all"),
    Entry::verb::<stop_all::Args>("stop-all"),
];

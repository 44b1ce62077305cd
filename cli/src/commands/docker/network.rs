//! `network …`.

mod connect;
mod create;
mod disconnect;
mod filter;
pub mod inspect;
mod list;
pub mod prune;
mod reload;
mod rm;

use crate::commands::Entry;

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    Entry::verb::<connect::Args>("connect"),
    Entry::verb::<create::Args>("create"),
    Entry::verb::<disconnect::Args>("disconnect"),
    Entry::verb::<inspect::Args>("inspect"),
    Entry::verb::<list::Args>("ls").aliases(&["list"]),
    Entry::verb::<prune::Args>("prune"),
    Entry::verb::<reload::Args>("reload"),
    Entry::verb::<rm::Args>("rm").aliases(&["remove"]),
];

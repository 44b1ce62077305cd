//! `ctr snapshots …`.

mod delete;
mod info;
mod list;
mod tree;
mod usage;

use crate::commands::Entry;

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    Entry::verb::<delete::Args>("delete").aliases(&["del", "remove", "rm"]),
    Entry::verb::<info::Args>("info"),
    Entry::verb::<list::Args>("list").aliases(&["ls"]),
    Entry::verb::<tree::Args>("tree"),
    Entry::verb::<usage::Args>("usage"),
];

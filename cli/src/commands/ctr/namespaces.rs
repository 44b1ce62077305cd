//! `ctr namespaces …`.

mod create;
mod label;
mod list;
mod remove;

use crate::commands::Entry;

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    Entry::verb::<create::Args>("create").aliases(&["c"]),
    Entry::verb::<label::Args>("label"),
    Entry::verb::<list::Args>("list").aliases(&["ls"]),
    Entry::verb::<remove::Args>("remove").aliases(&["rm"]),
];

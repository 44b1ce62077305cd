//! `ctr containers …`.

mod create;
mod delete;
mod info;
mod label;
mod list;

use crate::commands::Entry;

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    Entry::verb::<create::Args>("create"),
    Entry::verb::<delete::Args>("delete").aliases(&["del", "remove", "rm"]),
    Entry::verb::<info::Args>("info"),
    Entry::verb::<label::Args>("label"),
    Entry::verb::<list::Args>("list").aliases(&["ls"]),
];

/// What containerd's tools call the program that runs a container.
pub const RUNTIME: &str = "isopod";

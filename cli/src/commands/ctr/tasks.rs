//! `ctr tasks …`: the processes of containers.

mod attach;
mod delete;
mod exec;
mod kill;
mod list;
mod metrics;
mod pause;
mod ps;
mod resume;
mod start;

use crate::commands::Entry;

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    Entry::verb::<attach::Args>("attach"),
    Entry::verb::<delete::Args>("delete").aliases(&["del", "remove", "rm"]),
    Entry::verb::<exec::Args>("exec"),
    Entry::verb::<kill::Args>("kill"),
    Entry::verb::<list::Args>("list").aliases(&["ls"]),
    Entry::verb::<metrics::Args>("metrics").aliases(&["metric"]),
    Entry::verb::<pause::Args>("pause"),
    Entry::verb::<ps::Args>("ps"),
    Entry::verb::<resume::Args>("resume"),
    Entry::verb::<start::Args>("start"),
];

//! The ctr command line, laid out as containerd's tool is.

mod containers;
mod content;
mod filter;
mod images;
mod info;
mod labels;
mod namespaces;
mod options;
mod run;
mod session;
mod snapshots;
mod tasks;
mod version;

use super::Entry;

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    Entry::noun("containers", "Manage containers", containers::TABLE)
        .aliases(&["c", "container"]),
    Entry::noun("content", "Manage content", content::TABLE),
    Entry::noun("images", "Manage images", images::TABLE).aliases(&["image", "i"]),
    Entry::verb::<info::Args>("info"),
    Entry::noun("namespaces", "Manage namespaces", namespaces::TABLE)
        .aliases(&["namespace", "ns"]),
    Entry::verb::<run::Args>("run"),
    Entry::noun("snapshots", "Manage snapshots", snapshots::TABLE).aliases(&["snapshot"]),
    Entry::noun("tasks", "Manage tasks", tasks::TABLE).aliases(&["t", "task"]),
    Entry::verb::<version::Args>("version").without_root(),
];

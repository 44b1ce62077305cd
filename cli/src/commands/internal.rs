//! `internal …`: what monitors and pulls start when something is left to do that nobody should wait
//! for, or that needs the database; and what packages are made with. Not for people, and not in the help.

mod after_exit;
mod man;
mod settle;

use super::Entry;

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    Entry::verb::<after_exit::Args>("after-exit"),
    Entry::verb::<man::Args>("man").without_root(),
    Entry::verb::<settle::Args>("settle"),
];

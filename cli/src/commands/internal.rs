//! `internal …`: what monitors start when a container has ended and something is to be done
//! that needs the database. Not for people, and not in the help.

mod after_exit;

use super::Entry;

/// Sorted by name.
pub const TABLE: &[Entry] = &[Entry::verb::<after_exit::Args>("after-exit")];

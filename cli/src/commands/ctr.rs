//! The ctr command line.

use super::Entry;

/// Sorted by name.
pub const TABLE: &[Entry] = &[];

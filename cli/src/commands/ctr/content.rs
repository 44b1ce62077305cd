//! `ctr content …`.

mod active;
mod delete;
mod get;
mod list;

use isopod_image::Digest;

use crate::commands::Entry;
use crate::error::Error;

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    Entry::verb::<active::Args>("active"),
    Entry::verb::<delete::Args>("delete").aliases(&["del", "remove", "rm"]),
    Entry::verb::<get::Args>("get"),
    Entry::verb::<list::Args>("list").aliases(&["ls"]),
];

fn digest(text: &str) -> Result<Digest, Error> {
    text.parse().map_err(Error::argument)
}

//! `volume …`.

mod create;
mod filter;
mod inspect;
mod list;
pub mod prune;
mod rm;

use isopod_runtime::state::VolumeRow;
use serde_json::Value as Json;

use crate::commands::Entry;
use crate::context::Context;
use crate::error::Error;
use crate::output::views::volumes::{self as view, Row};

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    Entry::verb::<create::Args>("create"),
    Entry::verb::<inspect::Args>("inspect"),
    Entry::verb::<list::Args>("ls").aliases(&["list"]),
    Entry::verb::<prune::Args>("prune"),
    Entry::verb::<rm::Args>("rm").aliases(&["remove"]),
];

/// One volume as docker's `inspect` prints it.
///
/// # Errors
/// There is none of this name.
pub fn find(context: &Context, name: &str) -> Result<Json, Error> {
    let volume = context.runtime()?.volumes().get(name)?;
    Ok(view::inspect(&row(context, &volume)?))
}

/// What views show of it.
///
/// # Errors
/// The instance can't be opened.
pub fn row(context: &Context, volume: &VolumeRow) -> Result<Row, Error> {
    Ok(Row {
        name: volume.name.clone(),
        mountpoint: context.runtime()?.volumes().data_folder(&volume.name).display().to_string(),
        created: volume.created,
        labels: volume.shown_labels(),
        options: volume.options.clone(),
        usage: None,
    })
}

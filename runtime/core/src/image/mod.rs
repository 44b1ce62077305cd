//! Images: names for manifests in the content store.
//!
//! - [`pull`]: from a registry, through [`transfer`] (one layer each) and [`unpack`];
//! - [`names`]: listing, finding, tagging, removing;
//! - [`documents`]: what a manifest and config say;
//! - [`import`] and [`export`]: archives;
//! - [`check`]: whether all of an image is there.

mod check;
mod documents;
mod export;
mod import;
mod names;
mod progress;
mod pull;
mod transfer;
mod unpack;

pub use check::Check;
pub use documents::ImageDetails;
pub use export::ExportOptions;
pub use import::ImportOptions;
pub use names::{Image, Removed};
pub use progress::{LayerState, NoProgress, PullEvent, PullProgress};
pub use pull::PullOptions;

pub use crate::usage::{ImageUsage, ImagesUsage};

pub(crate) use documents::{details_of, layer_names, read_document};
pub(crate) use unpack::ensure;

use crate::Runtime;

/// The images of one instance.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    runtime: &'a Runtime,
}

impl<'a> Images<'a> {
    pub(crate) fn new(runtime: &'a Runtime) -> Self {
        Self { runtime }
    }

    pub(crate) fn runtime(&self) -> &'a Runtime {
        self.runtime
    }
}

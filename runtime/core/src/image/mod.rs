//! Images: names for manifests in the content store.
//!
//! - [`pull`]: from a registry, through [`transfer`] (one layer each) and [`unpack`];
//! - [`tags`]: which tags a registry has;
//! - [`push`]: to a registry; [`login`]: whether that takes a credential;
//! - [`names`] and [`prune`]: listing, finding, tagging, removing;
//! - [`documents`]: what a manifest and config say;
//! - [`commit`] and [`root`]: made here, through [`compose`];
//! - [`import`] and [`export`]: archives;
//! - [`check`]: whether all of an image is there.

mod check;
mod commit;
mod compose;
mod documents;
mod export;
mod healthcheck;
mod import;
mod instruction;
mod login;
mod names;
mod progress;
mod prune;
mod pull;
mod push;
mod root;
mod tags;
mod transfer;
mod unpack;

pub use check::Check;
pub use commit::CommitOptions;
pub use documents::ImageDetails;
pub use export::ExportOptions;
pub use import::ImportOptions;
pub use login::log_in;
pub use names::{Image, Removed, Taken};
pub use progress::{LayerState, NoProgress, PullEvent, PullProgress};
pub use prune::Fits;
pub use pull::PullOptions;
pub use push::{Push, PushOptions, PushedPlatforms};
pub use root::RootOptions;

pub use crate::usage::{ImageUsage, ImagesUsage};

pub(crate) use documents::{details_of, layer_names, read_document};
pub(crate) use unpack::{ensure, unpack_again};

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

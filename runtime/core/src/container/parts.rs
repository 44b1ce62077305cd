//! What a container's launcher looks up and mounts itself before the specification's binds can show it: parts of
//! volumes, images, the shared memory of another container.

use std::path::{Path, PathBuf};

use isopod_monitor_protocol::launch::Part;
use isopod_monitor_protocol::state;
use isopod_spec::mounts::MountKind;
use isopod_spec::request::SharedMemory as Shown;
use isopod_spec::{SpecRequest, mounts};

use super::Container;
use super::record::MountedImage;
use super::settings::{Namespace, SharedMemory};
use super::spec::{INIT, mount};
use crate::{Error, Result};

impl Container<'_> {
    /// In the order in which [`Self::request_parts`] counts them.
    pub(super) fn parts(&self) -> Result<Vec<Part>> {
        let volumes = self.record.volumes.iter().filter(|volume| !volume.subpath.is_empty());
        let mut parts = volumes
            .map(|volume| self.runtime.volumes().part(volume))
            .collect::<Result<Vec<_>>>()?;
        parts.extend(self.record.images.iter().map(|image| self.image_part(image)));
        if let Namespace::Container(_) = &self.record.settings.namespaces.ipc {
            parts.push(Part::SharedMemory);
        }
        if self.record.settings.init {
            parts.push(self.init_part()?);
        }
        Ok(parts)
    }

    /// Has the specification show volumes, images and shared memory.
    pub(super) fn request_parts(&self, request: &mut SpecRequest<'_>) -> Result<()> {
        let folder = self.state().join(state::PARTS);
        let mut places = (0..).map(|index: u32| folder.join(index.to_string()));
        // The iterator has no end.
        let mut place = || places.next().unwrap_or_default();
        for volume in &self.record.volumes {
            let part = (!volume.subpath.is_empty()).then(&mut place);
            request.mounts.push(self.runtime.volumes().mount(volume, part)?);
        }
        for image in &self.record.images {
            request.mounts.push(image_mount(image, place())?);
        }
        let settings = &self.record.settings;
        request.shared_memory = match (&settings.namespaces.ipc, settings.shared_memory) {
            (Namespace::Container(_), _) => Shown::Bound(place()),
            (Namespace::Private, SharedMemory::None) => Shown::Absent,
            _ => Shown::Usual,
        };
        if settings.init {
            let kind = MountKind::Bind { source: place(), recursive: false };
            request.mounts.push(mount(kind, INIT, &["ro".to_owned()])?);
        }
        Ok(())
    }

    /// The init as if it were a file of an image: every container has the same one, and in a file system without
    /// an upper layer nobody can make it writable, whatever privileges they have. A bind mount can be.
    fn init_part(&self) -> Result<Part> {
        let program = self.runtime.init_program()?;
        let folder = program.parent().unwrap_or(Path::new("/")).to_owned();
        let name = program.file_name().unwrap_or_default();
        Ok(Part::Image { layers: vec![folder], path: name.into() })
    }

    /// An image as a launcher mounts it.
    pub(super) fn image_part(&self, image: &MountedImage) -> Part {
        let layers = self.runtime.layers();
        Part::Image {
            layers: image.layers.iter().map(|name| layers.path(name)).collect(),
            path: PathBuf::from(&image.subpath),
        }
    }

    /// Refuses to join what is its own, in docker's words.
    pub(super) fn require_shareable(&self) -> Result<()> {
        let settings = &self.record.settings;
        match (&settings.namespaces.ipc, settings.shared_memory) {
            (Namespace::Private, SharedMemory::Private | SharedMemory::None) => {
                Err(Error::Invalid(format!(
                    "cannot join the IPC namespace of container {}, which is its own: \
                     make that one with --ipc shareable",
                    self.name()
                )))
            }
            _ => Ok(()),
        }
    }
}

/// The bind that shows an image mounted at `source`.
pub(super) fn image_mount(image: &MountedImage, source: PathBuf) -> Result<mounts::Mount> {
    let kind = MountKind::Bind { source, recursive: true };
    mount(kind, &image.destination, &[&image.options[..], &["ro".to_owned()]].concat())
}

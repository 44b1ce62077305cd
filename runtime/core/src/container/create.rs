//! Creating: everything is checked, the image's layers are there, the row is written. No process yet.

use std::fs;
use std::path::{Path, PathBuf};

use isopod_image::Platform;
use isopod_spec::image_claims;
use isopod_sys::atomic;
use isopod_sys::lock::Lock;
use isopod_sys::step::step;

use super::record::{ImageUse, MountedImage, Record, VERSION, VolumeUse};
use super::settings::{LogConfig, Mount, Network, Profile, Restart, Settings};
use super::{Container, Containers, users};
use crate::image::{self, Image, ImageDetails, NoProgress};
use crate::layout::private_folder;
use crate::snapshot::LayerName;
use crate::state::{ContainerRow, Durability, Labels, NamespaceRow, NewContainer, VolumeRow};
use crate::{Error, Result, Runtime, id, volume};

/// What a container is to be made from.
#[derive(Debug, Clone)]
pub enum ImageSource {
    /// An image, on a platform.
    Image(Box<Image>, Platform),
    /// A folder that is there already; it is used as it is, and written to.
    Rootfs(PathBuf),
}

/// An image, and its layers, topmost first, which are all there.
type Unpacked = (ImageDetails, Vec<LayerName>);

/// What to create.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// An id of the caller's; `None` draws 64 hex characters.
    pub id: Option<String>,
    /// A name.
    pub name: Option<String>,
    /// Draw a name where none is given.
    pub generate_name: bool,
    /// From what.
    pub source: ImageSource,
    /// Labels, which win over the image's.
    pub labels: Labels,
    /// How it is to be.
    pub settings: Settings,
    /// Where output is kept.
    pub log: LogConfig,
    /// What the image was called by whoever asked for it, where that is to be shown.
    pub asked: Option<String>,
    /// Whether it goes when it ends.
    pub auto_remove: bool,
}

impl<'a> Containers<'a> {
    /// Creates a container.
    ///
    /// # Errors
    /// A name or id is taken or no identifier, a setting can't be, the image is not all there, a layer can't
    /// be unpacked. Nothing is left behind then.
    pub fn create(&self, options: CreateOptions) -> Result<Container<'a>> {
        super::start::check_kernel()?;
        id::check("namespace", &self.namespace)?;
        let id = match options.id {
            Some(id) => {
                id::check("container id", &id)?;
                id
            }
            None => id::random(),
        };
        if let Some(name) = &options.name {
            id::check_name("container name", name)?;
        }
        if options.auto_remove && options.settings.restart != Restart::No {
            return Err(Error::Invalid(
                "a container can't both be removed when it has ended and be started again: \
                 leave out the removal or the restart policy"
                    .to_owned(),
            ));
        }
        let mut labels = Labels::new();
        let mut settings = options.settings;
        self.join(&mut settings)?;
        // Held until the row says who has them.
        let allocated = users::allocate(self.runtime, &mut settings)?;
        users::check(&settings)?;
        let images = self.images(&options.source, &settings)?;
        // Held until the rows refer to what is used.
        let (collection, mut unpacked) = self.unpacked(&images)?;
        let mut record = Record {
            version: VERSION,
            image: None,
            rootfs: None,
            layers: Vec::new(),
            snapshot: None,
            settings,
            volumes: Vec::new(),
            images: Vec::new(),
            log: options.log,
            auto_remove: options.auto_remove,
            cgroup_manager: self.runtime.config().cgroup_manager,
        };
        super::cgroup::check(&id, &record)?;
        let mut parent = String::new();
        match options.source {
            ImageSource::Image(image, _) => {
                let (details, layers) = unpacked.remove(0);
                record.layers = layers;
                parent = details.top_chain_id();
                // Without what only we may say (security.md, row 11).
                labels.extend(image_claims::labels(&details.config.config));
                record.image = Some(ImageUse {
                    name: image.name,
                    target: image.target.digest,
                    id: details.id().clone(),
                    asked: options.asked,
                    manifest: details.manifest_descriptor,
                    config: details.config.config,
                });
            }
            ImageSource::Rootfs(path) => record.rootfs = Some(checked_rootfs(&path)?),
        }
        labels.extend(options.labels);
        let mounted = images.iter().skip(images.len() - unpacked.len()).zip(unpacked);
        record.images = mounted_images(&record.settings, mounted)?;
        self.check_network(&mut record)?;
        record.volumes = volumes(&record)?;
        super::spec::check(&id, &record)?;
        if let LogConfig::JsonFile { attributes, .. } = &record.log {
            attributes.check()?;
        }

        let creation = Creation { runtime: self.runtime, namespace: &self.namespace, id: &id };
        let created = creation.run(record, options.name, options.generate_name, &labels, &parent);
        drop((collection, allocated));
        if let Ok(container) = &created {
            container.happened("create", &[]);
        }
        created
    }
}

impl Containers<'_> {
    /// The image that a container is made from, if it is one, and those that are mounted in it.
    fn images(&self, source: &ImageSource, settings: &Settings) -> Result<Vec<(Image, Platform)>> {
        let (mut images, platform) = match source {
            ImageSource::Image(image, platform) => {
                (vec![((**image).clone(), platform.clone())], platform.clone())
            }
            ImageSource::Rootfs(_) => (Vec::new(), Platform::host()),
        };
        for mount in &settings.mounts {
            if let Mount::Image { source, .. } = mount {
                images.push((self.runtime.images().find(source)?, platform.clone()));
            }
        }
        Ok(images)
    }

    /// What they consist of, all unpacked, and what keeps it there until it is referred to.
    fn unpacked(&self, images: &[(Image, Platform)]) -> Result<(Lock, Vec<Unpacked>)> {
        loop {
            let collection = self.runtime.hold_collection()?;
            let mut unpacked = Vec::new();
            let mut missing = None;
            for (image, platform) in images {
                let details = self.runtime.images().details(image, platform)?;
                match image::layer_names(self.runtime, &details) {
                    Some(layers) => unpacked.push((details, layers)),
                    None => missing = Some(details),
                }
            }
            let Some(details) = missing else { return Ok((collection, unpacked)) };
            // Not while the collector waits.
            drop(collection);
            image::ensure(self.runtime, &details, &NoProgress)?;
        }
    }

    /// Refuses what every start would, and spells networks and containers as they are found later.
    fn check_network(&self, record: &mut Record) -> Result<()> {
        match &mut record.settings.network {
            Network::Networks(attachments) => {
                let has_ports = !record.settings.publish.is_empty();
                crate::network::settle(self.runtime.networks(), attachments, has_ports)
            }
            Network::Container(other) => {
                *other = self.find(other)?.id().to_owned();
                Ok(())
            }
            Network::None | Network::Host | Network::Namespace(_) => Ok(()),
        }
    }
}

fn checked_rootfs(path: &Path) -> Result<PathBuf> {
    let path = path.canonicalize().map_err(Error::io("cannot use as root file system", path))?;
    if path == Path::new("/") || !path.is_dir() {
        return Err(Error::Invalid(format!(
            "{} can't be a root file system: give a folder other than /",
            path.display()
        )));
    }
    Ok(path)
}

/// What the settings' image mounts mean, given these images in their order.
fn mounted_images<'i>(
    settings: &Settings,
    images: impl Iterator<Item = (&'i (Image, Platform), Unpacked)>,
) -> Result<Vec<MountedImage>> {
    let mounts = settings.mounts.iter().filter_map(|mount| match mount {
        Mount::Image { subpath, destination, options, .. } => Some((subpath, destination, options)),
        _ => None,
    });
    let mut mounted = Vec::new();
    for ((subpath, destination, options), ((image, _), (details, layers))) in mounts.zip(images) {
        if layers.is_empty() {
            return Err(Error::Invalid(format!(
                "image {} has no layers, and nothing that could be mounted at {destination}",
                image.name
            )));
        }
        mounted.push(MountedImage {
            name: image.name.clone(),
            target: image.target.digest.clone(),
            manifest: details.manifest_descriptor,
            layers,
            destination: destination.clone(),
            options: options.clone(),
            subpath: subpath.clone(),
        });
    }
    Ok(mounted)
}

/// The volumes that the settings and, for docker's profile, the image ask for.
fn volumes(record: &Record) -> Result<Vec<VolumeUse>> {
    let mut volumes = Vec::new();
    for mount in &record.settings.mounts {
        if let Mount::Volume { name, destination, options, no_copy, subpath, .. } = mount {
            if let Some(name) = name {
                volume::check_name(name)?;
            }
            volumes.push(VolumeUse {
                anonymous: name.is_none(),
                name: name.clone().unwrap_or_else(id::random),
                destination: destination.clone(),
                options: options.clone(),
                // docker copies into whole volumes only.
                copy: !no_copy && subpath.is_empty(),
                subpath: subpath.clone(),
            });
        }
    }
    let image = record.image.as_ref().filter(|_| record.settings.profile == Profile::Docker);
    let declared = image.map(|image| super::spec::image_volumes(&image.config)).transpose()?;
    for destination in declared.unwrap_or_default() {
        let is_covered = |mount: &Mount| super::spec::same_place(mount.destination(), &destination);
        if !record.settings.mounts.iter().any(is_covered) {
            let name = id::random();
            volumes.push(VolumeUse {
                name,
                destination,
                options: Vec::new(),
                copy: true,
                anonymous: true,
                subpath: String::new(),
            });
        }
    }
    Ok(volumes)
}

/// The durable part, after all checks.
struct Creation<'a, 'n> {
    runtime: &'a Runtime,
    namespace: &'n str,
    id: &'n str,
}

impl<'a> Creation<'a, '_> {
    fn run(
        &self,
        mut record: Record,
        name: Option<String>,
        generate_name: bool,
        labels: &Labels,
        parent: &str,
    ) -> Result<Container<'a>> {
        let durability = match record.auto_remove {
            // It would not be wanted after the boot that a power cut brings.
            true => Durability::Process,
            false => Durability::Power,
        };
        if record.rootfs.is_none() {
            record.snapshot = Some(format!("{}/{}", self.namespace, self.id));
        }
        // A name that the generator drew may be taken; docker draws again too.
        let mut attempt = 0;
        let row = loop {
            let drawn = match &name {
                Some(name) => Some(name.clone()),
                None if generate_name && attempt < 16 => Some(id::random_name()),
                None if generate_name => {
                    Some(format!("{}_{}", id::random_name(), &id::random()[..8]))
                }
                None => None,
            };
            match self.insert(&record, drawn.as_deref(), labels, parent, durability) {
                Err(Error::AlreadyExists { what: "container name", .. }) if name.is_none() => {
                    attempt += 1;
                }
                other => break other?,
            }
        };
        step("container.row");
        let container = Container { runtime: self.runtime, row, record };
        // Whoever removes one of this id, whose row has gone already, is not done with its folders.
        let prepared =
            container.lock_operation().and_then(|_operation| match container.is_stamped() {
                // Somebody has started it since its row is there.
                true => Ok(()),
                false => container.prepare_folders(),
            });
        if let Err(error) = prepared {
            if let Err(second) = container.forget() {
                tracing::warn!(container = self.id, error = %second, "cannot undo a failed create");
            }
            return Err(error);
        }
        Ok(container)
    }

    fn insert(
        &self,
        record: &Record,
        name: Option<&str>,
        labels: &Labels,
        parent: &str,
        durability: Durability,
    ) -> Result<ContainerRow> {
        let state = self.runtime.state();
        let volumes = self.runtime.volumes();
        let _volumes = volumes.hold(&record.volumes)?;
        let mut made = Vec::new();
        let row = state.write(durability, |transaction| {
            let wrap = state.error();
            let taken = |text: &str| ContainerRow::exact(transaction, self.namespace, text);
            if let Some(other) = taken(self.id).map_err(&wrap)? {
                return Err(Error::AlreadyExists {
                    what: "container id",
                    name: self.id.to_owned(),
                    by: describe(&other),
                });
            }
            if let Some(name) = name
                && let Some(other) = taken(name).map_err(&wrap)?
            {
                return Err(Error::AlreadyExists {
                    what: "container name",
                    name: name.to_owned(),
                    by: describe(&other),
                });
            }
            NamespaceRow::ensure(transaction, self.namespace, &Labels::new()).map_err(&wrap)?;
            if let Some(key) = &record.snapshot {
                self.runtime.snapshots().insert(transaction, key, &record.layers, parent)?;
            }
            for volume in &record.volumes {
                if volumes.ensure_for(transaction, volume, &record.settings)? {
                    made.push(volume.name.as_str());
                }
                VolumeRow::add_use(transaction, &volume.name, self.namespace, self.id)
                    .map_err(&wrap)?;
            }
            let new = NewContainer {
                namespace: self.namespace,
                id: self.id,
                name,
                image: record.image.as_ref().map(|image| image.name.as_str()),
                labels,
                record: &record.to_text(),
            };
            ContainerRow::insert(transaction, &new).map_err(&wrap)
        })?;
        made.into_iter().for_each(|name| volumes.record("create", name));
        Ok(row)
    }
}

impl Container<'_> {
    /// Makes its folders, and fills its volumes. A data folder that is there is what a crash left of one
    /// with the same id. The caller holds the operation's lock.
    fn prepare_folders(&self) -> Result<()> {
        let data = self.data();
        super::binds::make_sources(&self.record.settings.mounts)?;
        super::remove::remove_folder(&data)?;
        if let Some(key) = &self.record.snapshot {
            self.runtime.snapshots().make_folders(key)?;
            step("snapshot.folders");
        }
        for volume in &self.record.volumes {
            if !volume.subpath.is_empty() {
                self.runtime.volumes().part(volume)?;
            }
            self.runtime.volumes().populate(volume, self)?;
        }
        step("container.prepared");
        // The last: where it is, so is the rest.
        private_folder(&data).map_err(Error::io("cannot make", &data))?;
        step("container.folder");
        let path = data.join(PREPARED);
        atomic::write(&path, self.stamp().as_bytes(), 0o600, atomic::Durability::Process)
            .map_err(Error::io("cannot write", &path))
    }

    /// Does what its creator was killed before, or what a power cut has undone. The caller holds the
    /// operation's lock.
    pub(crate) fn finish_creation(&self) -> Result<()> {
        let data = self.data();
        let is_anothers = data.join(PREPARED).exists() && !self.is_stamped();
        if data.exists() && !is_anothers {
            return Ok(());
        }
        self.prepare_folders()
    }

    /// Whether its folders were made for it, not for one of the same id.
    fn is_stamped(&self) -> bool {
        fs::read(self.data().join(PREPARED)).is_ok_and(|stamp| stamp == self.stamp().into_bytes())
    }

    fn stamp(&self) -> String {
        let nanos = self.row.created.timestamp_nanos_opt().unwrap_or_default();
        format!("{nanos}\n")
    }
}

/// The file in its data folder that says for which container all its folders were made.
const PREPARED: &str = "prepared";

pub(super) fn describe(row: &ContainerRow) -> String {
    match &row.name {
        Some(name) if *name != row.id => {
            format!("container {name} ({})", row.id.get(..12).unwrap_or(&row.id))
        }
        _ => format!("container {}", row.id),
    }
}

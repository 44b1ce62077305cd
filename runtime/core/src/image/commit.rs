//! An image of what a container changed: its image's layers, its writable folder as one more, and how it
//! was started as the config.

use chrono::Utc;
use isopod_image::config::{ContainerConfig, History};
use isopod_image::{Reference, Timestamp};
use isopod_monitor_protocol::launch::Rootfs;
use isopod_sys::step::step;
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::compose::{LayerWriter, NewLayer};
use super::documents::details_of;
use super::{Image, Images, instruction};
use crate::container::{Container, Phase, Protocol, Record};
use crate::snapshot::changes;
use crate::{Error, Result};

/// How the image is to be.
#[derive(Debug, Clone, Default)]
pub struct CommitOptions {
    /// Its name; without one it is found by its id only.
    pub name: Option<Reference>,
    /// Who made it.
    pub author: Option<String>,
    /// A note in its history.
    pub message: Option<String>,
    /// Instructions of a Dockerfile that change its config.
    pub changes: Vec<String>,
    /// Freeze a running container while its files are read.
    pub pause: bool,
}

impl Images<'_> {
    /// Makes an image of `container`. What lies in volumes and other mounts is not part of it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a container without an image; an instruction can't be applied; files
    /// can't be read or written.
    #[tracing::instrument(skip_all, fields(container = container.id()))]
    pub fn commit(&self, container: &Container<'_>, options: &CommitOptions) -> Result<Image> {
        let record = container.record();
        let (Some(image), Some(snapshot)) = (&record.image, &record.snapshot) else {
            return Err(Error::Unsupported(format!(
                "container {} was made from a folder, not from an image, and can't be committed",
                container.name()
            )));
        };
        let base = details_of(self.runtime, &image.manifest, &image.name)?;
        let mut config = base.config.clone();
        config.config = started_as(image.config.clone(), container);
        instruction::apply(&mut config.config, &options.changes)?;

        let collection = self.runtime.hold_collection()?;
        let layer = {
            let _frozen = Frozen::new(container, options.pause)?;
            self.changes(&self.runtime.snapshots().rootfs(snapshot)?)?
        };
        let now = Timestamp::from(Utc::now());
        config.created = Some(now.clone());
        config.author.clone_from(&options.author);
        config.history.push(History {
            created: Some(now),
            created_by: Some(command_of(record, &image.config)),
            author: options.author.clone(),
            comment: options.message.clone(),
            empty_layer: layer.is_empty(),
        });
        let layer = Some(&layer).filter(|layer| !layer.is_empty());
        step("commit.layer");
        let target = self.compose(Some(&base), layer, config)?;
        // What can't be unpacked again is no image, and gets no name.
        let details = details_of(self.runtime, &target, "the new image")?;
        super::ensure(self.runtime, &details, &super::NoProgress)?;
        step("commit.unpacked");
        let image = self.name(&target, options.name.as_ref())?;
        step("commit.named");
        drop(collection);
        self.runtime.settle_later();
        let comment = options.message.clone().unwrap_or_default();
        let (id, name) = (details.id().to_string(), image.name.clone());
        container
            .happened("commit", &[("comment", &comment), ("imageID", &id), ("imageRef", &name)]);
        Ok(image)
    }

    fn changes(&self, rootfs: &Rootfs) -> Result<NewLayer> {
        let Rootfs::Overlay { upper: Some(upper), .. } = rootfs else {
            return Err(Error::Unsupported("a read-only container has changed nothing".to_owned()));
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder =
            openat(CWD, upper, flags, Mode::empty()).map_err(Error::errno("cannot open", upper))?;
        let mut writer = LayerWriter::new(self)?;
        if let Err(source) = changes::write(&folder, &mut writer) {
            if let Some(failure) = writer.into_failure() {
                return Err(failure);
            }
            return Err(Error::Io {
                action: "cannot read the changes in",
                path: upper.clone(),
                source,
            });
        }
        writer.finish()
    }
}

/// A container that stands still for as long as this lives.
struct Frozen<'c, 'r>(Option<&'c Container<'r>>);

impl<'c, 'r> Frozen<'c, 'r> {
    fn new(container: &'c Container<'r>, wanted: bool) -> Result<Self> {
        let is_running = container.status()?.phase == Phase::Running;
        if !(wanted && is_running) {
            return Ok(Self(None));
        }
        match container.pause() {
            Ok(()) => Ok(Self(Some(container))),
            // It ended meanwhile: it stands still by itself.
            Err(Error::State { .. }) => Ok(Self(None)),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Frozen<'_, '_> {
    fn drop(&mut self) {
        if let Some(container) = self.0
            && let Err(error) = container.resume()
        {
            tracing::warn!(container = container.id(), %error, "the container can't be thawed");
        }
    }
}

/// The image's config with what the container was started with.
fn started_as(mut config: ContainerConfig, container: &Container<'_>) -> ContainerConfig {
    let settings = container.settings();
    for line in &settings.env {
        let key = line.split('=').next().unwrap_or_default();
        config.env.retain(|old| old.split('=').next() != Some(key));
        if line.contains('=') {
            config.env.push(line.clone());
        }
    }
    match &settings.entrypoint {
        Some(words) => {
            config.entrypoint = words.iter().filter(|word| !word.is_empty()).cloned().collect();
            config.cmd.clone_from(&settings.command);
        }
        None if !settings.command.is_empty() => config.cmd.clone_from(&settings.command),
        None => {}
    }
    let take = |place: &mut String, given: &Option<String>| {
        if let Some(given) = given {
            place.clone_from(given);
        }
    };
    take(&mut config.user, &settings.user);
    take(&mut config.working_dir, &settings.working_dir);
    take(&mut config.stop_signal, &settings.stop_signal);
    config.healthcheck = container.record().healthcheck();
    config.labels.extend(container.labels().clone());
    let published = settings.publish.iter().map(|publish| publish.container);
    config.exposed_ports.extend(settings.expose.iter().copied().chain(published).map(|port| {
        let protocol = match port.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        };
        format!("{}/{protocol}", port.port)
    }));
    let anonymous = container.record().volumes.iter().filter(|volume| volume.anonymous);
    config.volumes.extend(anonymous.map(|volume| volume.destination.clone()));
    config
}

/// The command as its history tells it.
fn command_of(record: &Record, image: &ContainerConfig) -> String {
    let command = &record.settings.command;
    if command.is_empty() { image.cmd.join(" ") } else { command.join(" ") }
}

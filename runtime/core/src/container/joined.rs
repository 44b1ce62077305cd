//! What a container takes over from others: their volumes, and namespaces of those that run.

use std::path::PathBuf;

use super::settings::{Mount, Namespace, Settings};
use super::spec::same_place;
use super::{Container, Containers, Phase};
use crate::{Error, Result};

impl Containers<'_> {
    /// Writes down whose namespaces are meant, and adds the mounts of `volumes_from`.
    pub(super) fn join(&self, settings: &mut Settings) -> Result<()> {
        let namespaces = &mut settings.namespaces;
        for namespace in [&mut namespaces.pid, &mut namespaces.ipc, &mut namespaces.uts] {
            if let Namespace::Container(name) = namespace {
                *namespace = Namespace::Container(self.find(name)?.id().to_owned());
            }
        }
        if let Namespace::Container(id) = &namespaces.ipc {
            self.find(id)?.require_shareable()?;
        }
        for text in settings.volumes_from.clone() {
            let (name, mode) = match text.split_once(':') {
                Some((name, mode)) => (name, Some(mode)),
                None => (text.as_str(), None),
            };
            let access = match mode {
                None => None,
                Some(mode @ ("ro" | "rw")) => Some(mode),
                Some(_) => {
                    return Err(Error::Invalid(format!(
                        "cannot take volumes from {text}: what follows the container is ro or rw"
                    )));
                }
            };
            for mount in self.find(name)?.shared_mounts(access) {
                // Its own ones win, and those of a container that was named before.
                let place = mount.destination();
                if !settings.mounts.iter().any(|own| same_place(own.destination(), place)) {
                    settings.mounts.push(mount);
                }
            }
        }
        Ok(())
    }
}

impl Container<'_> {
    /// Its volumes and binds as another container would have them.
    fn shared_mounts(&self, access: Option<&str>) -> Vec<Mount> {
        let options = |own: &[String]| match access {
            None => own.to_vec(),
            Some(access) => {
                let others = own.iter().filter(|option| *option != "ro" && *option != "rw");
                others.cloned().chain([access.to_owned()]).collect()
            }
        };
        let volumes = self.record.volumes.iter().map(|volume| Mount::Volume {
            name: Some(volume.name.clone()),
            destination: volume.destination.clone(),
            options: options(&volume.options),
            no_copy: true,
            subpath: volume.subpath.clone(),
            driver_options: Default::default(),
            labels: Default::default(),
        });
        let binds = self.record.settings.mounts.iter().filter_map(|mount| match mount {
            Mount::Bind { source, destination, options: own, create_source } => Some(Mount::Bind {
                source: source.clone(),
                destination: destination.clone(),
                options: options(own),
                create_source: *create_source,
            }),
            _ => None,
        });
        volumes.chain(binds).collect()
    }

    /// Where the namespace `kind` of the container with this id is found, which must run.
    pub(super) fn joined_namespace(&self, id: &str, kind: &str) -> Result<PathBuf> {
        let other = self.runtime.containers(self.namespace()).find(id)?;
        let hint = "its namespace can be joined only while it runs";
        let status = other.require(&[Phase::Running, Phase::Paused], hint)?;
        let path = PathBuf::from(format!("/proc/{}/ns/{kind}", status.pid));
        // An id may have gone to another process since the status was written.
        match other.processes()?.contains(&status.pid) {
            true => Ok(path),
            false => Err(Error::State { id: other.name().to_owned(), state: "ending", hint }),
        }
    }
}

//! What a container takes over from others: their volumes, and namespaces of those that run.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use isopod_monitor_protocol::message::Handed;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

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

    /// The namespaces of others that its next start joins, which have to run.
    ///
    /// # Errors
    /// [`Error::State`] if one doesn't.
    pub(super) fn open_joined(&self) -> Result<Vec<(Handed, OwnedFd)>> {
        let own = &self.record.settings.namespaces;
        let mut opened = Vec::new();
        for (asked, kinds) in [
            (&own.pid, &[(Handed::PidNamespace, "pid")][..]),
            // Whose memory is shared is looked for in its mounts.
            (&own.ipc, &[(Handed::IpcNamespace, "ipc"), (Handed::MountNamespace, "mnt")]),
            (&own.uts, &[(Handed::UtsNamespace, "uts")]),
        ] {
            let Namespace::Container(id) = asked else { continue };
            let other = self.runtime.containers(self.namespace()).find(id)?;
            for (handed, name) in kinds {
                opened.push((*handed, other.open_namespace(name)?));
            }
        }
        Ok(opened)
    }

    /// A namespace of its process, by its name below `/proc/PID/ns`. It is opened between two looks, at the
    /// beginning and at the end of which that process is its own and lives: no other can have had the id.
    pub(super) fn open_namespace(&self, name: &str) -> Result<OwnedFd> {
        let hint = "its namespace can be joined only while it runs";
        let status = self.require(&[Phase::Running, Phase::Paused], hint)?;
        let ending = || Error::State { id: self.name().to_owned(), state: "ending", hint };
        let pid = Pid::from_raw(status.pid).ok_or_else(ending)?;
        let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| ending())?;
        if !self.processes()?.contains(&status.pid) {
            return Err(ending());
        }
        let path = PathBuf::from(format!("/proc/{}/ns/{name}", status.pid));
        let opened = File::open(&path);
        let mut end = [PollFd::new(&process, PollFlags::IN)];
        match poll(&mut end, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(0) => opened.map(OwnedFd::from).map_err(Error::io("cannot open", &path)),
            _ => Err(ending()),
        }
    }
}

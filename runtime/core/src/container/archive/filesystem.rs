//! A container's file system seen from outside, running or not.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use isopod_monitor_protocol::launch::{Part, Rootfs};
use isopod_monitor_protocol::state;
use isopod_spec::mounts::{Access, MountKind};
use isopod_sys::lock::Lock;
use isopod_sys::mount::{self, OverlayOptions};
use isopod_sys::root::Root;
use isopod_sys::tree;
use rustix::fs::{FileType, Mode, OFlags, fstat};

use super::owners::Owners;
use crate::container::{Container, Mount, Phase};
use crate::layout::private_folder;
use crate::{Error, Result};

/// Its root, and what keeps that from changing hands.
#[derive(Debug)]
pub(super) struct Filesystem {
    /// Where paths are looked up.
    pub root: Root,
    /// Who its files belong to.
    pub owners: Owners,
    /// Of a container that does not run: nobody starts or removes it meanwhile.
    _operation: Option<Lock>,
}

impl Container<'_> {
    /// The file system with its volumes and binds: as its process sees it where it runs, else mounted
    /// for us alone.
    ///
    /// # Errors
    /// [`Error::State`] while it is being started; a mount that can't be made.
    pub(super) fn filesystem(&self) -> Result<Filesystem> {
        let operation = self.lock_operation()?;
        let status = self.status()?;
        match status.phase {
            Phase::Running | Phase::Paused => {
                let users = self.settings().user_namespace();
                let owners = match users.map(|users| users.maps()).transpose()? {
                    Some((uids, gids)) => Owners::mapped(uids, gids),
                    None => Owners::default(),
                };
                let root = self.running_root(status.pid)?;
                Ok(Filesystem { root, owners, _operation: None })
            }
            Phase::Starting | Phase::Restarting => Err(Error::State {
                id: self.name().to_owned(),
                state: status.phase.as_str(),
                hint: "try again when it runs, or stop it first",
            }),
            Phase::Created | Phase::Exited | Phase::Failed => {
                // Mounted for us, its files belong to whom they do on the disk.
                let (root, owners) = (self.mounted_root()?, Owners::default());
                Ok(Filesystem { root, owners, _operation: Some(operation) })
            }
        }
    }

    fn running_root(&self, pid: i32) -> Result<Root> {
        let path = PathBuf::from(format!("/proc/{pid}/root"));
        let root = Root::open(&path).map_err(Error::io("cannot look into", &path))?;
        // Whose it was when it was opened: an id may have gone to another process since the status was
        // written, but that one is in no cgroup of ours.
        if !self.processes()?.contains(&pid) {
            return Err(Error::State {
                id: self.name().to_owned(),
                state: "ending",
                hint: "try again",
            });
        }
        Ok(root)
    }

    fn mounted_root(&self) -> Result<Root> {
        let failed = |source| Error::System { action: "cannot mount the root file system", source };
        let base = match self.rootfs()? {
            Rootfs::Folder { path } => tree::bind(&path).map_err(Error::io("cannot use", &path))?,
            Rootfs::Overlay { lower, upper, work } => {
                let options = OverlayOptions::default();
                mount::overlay(&lower, upper.as_deref(), work.as_deref(), options)
                    .map_err(failed)?
            }
        };
        let place = self.state().join(state::ROOTFS);
        private_folder(&place).map_err(Error::io("cannot make", &place))?;
        let below = self.mounts_below()?;
        let mut wrong = None;
        let assembled = mount::assemble(base, &place, |root| {
            below.iter().try_for_each(|one| {
                one.attach(root).inspect_err(|_| wrong = Some(one.destination.clone()))
            })
        });
        let assembled = assembled.map_err(|source| match wrong {
            Some(path) => Error::Io { action: "cannot mount what belongs at", path, source },
            None => failed(source),
        })?;
        if self.settings().read_only {
            mount::set_read_only(assembled.as_fd()).map_err(failed)?;
        }
        Ok(assembled.into())
    }

    /// Volumes and binds, those of outer folders first. What lies in memory is gone with its process.
    fn mounts_below(&self) -> Result<Vec<Below>> {
        let mut below = Vec::new();
        for volume in &self.record().volumes {
            let volumes = self.runtime.volumes();
            let mount = volumes.mount(volume, None)?;
            let part = (!volume.subpath.is_empty()).then(|| volumes.part(volume)).transpose()?;
            match mount.kind {
                MountKind::Bind { source, .. } => below.push(Below {
                    source: part.unwrap_or_else(|| whole(source)),
                    destination: PathBuf::from(&volume.destination),
                    read_only: mount.access != Access::ReadWrite,
                }),
                MountKind::Tmpfs => {}
                MountKind::Kernel { .. } | MountKind::Content { .. } => {
                    return Err(Error::Unsupported(format!(
                        "volume {} is mounted only while container {} runs: start it first",
                        volume.name,
                        self.name()
                    )));
                }
            }
        }
        for image in &self.record().images {
            below.push(Below {
                source: self.image_part(image),
                destination: PathBuf::from(&image.destination),
                read_only: true,
            });
        }
        for mount in &self.settings().mounts {
            if let Mount::Bind { source, destination, options, .. } = mount {
                below.push(Below {
                    source: whole(source.clone()),
                    destination: PathBuf::from(destination),
                    read_only: options.iter().any(|option| option == "ro"),
                });
            }
        }
        below.sort_by_key(|one| one.destination.components().count());
        Ok(below)
    }
}

/// A file or folder of the host, which may itself be a symlink.
fn whole(folder: PathBuf) -> Part {
    Part::Inside { folder, path: PathBuf::new() }
}

/// A mount below the root.
struct Below {
    source: Part,
    destination: PathBuf,
    read_only: bool,
}

impl Below {
    /// Mounts it at its destination, which is resolved inside `root` and made if it is missing.
    fn attach(&self, root: &Root) -> std::io::Result<()> {
        let source: OwnedFd = match &self.source {
            Part::Inside { folder, path } if path.as_os_str().is_empty() => tree::bind(folder)?,
            Part::Inside { folder, path } => {
                let place = Root::open(folder)?.open_path(path, OFlags::PATH, Mode::empty())?;
                tree::bind_open(place.as_fd())?
            }
            // In this mount namespace nothing propagates, and a layer's folder is surely one.
            Part::Image { layers, path } => {
                let place = layers.first().ok_or(std::io::ErrorKind::InvalidInput)?;
                mount::part_of_layers(layers, path, place)?
            }
            // Nobody copies out of what is memory.
            Part::SharedMemory => return Err(std::io::ErrorKind::Unsupported.into()),
        };
        if self.read_only {
            mount::set_read_only(source.as_fd())?;
        }
        if FileType::from_raw_mode(fstat(&source)?.st_mode) == FileType::Directory {
            root.make_folders(&self.destination)?;
        } else {
            root.make_folders(self.destination.parent().unwrap_or(Path::new("/")))?;
            let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY;
            drop(root.open_path(&self.destination, flags, Mode::from_raw_mode(0o644))?);
        }
        let target = root.open_path(&self.destination, OFlags::PATH, Mode::empty())?;
        tree::attach_to(source.as_fd(), target.as_fd())
    }
}

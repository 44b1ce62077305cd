//! Making the root file system appear, in a mount namespace of the launcher's own.
//!
//! The mount exists there and in the copy that the container gets, and goes with them: there
//! is nothing to unmount, and the host's mount table doesn't grow.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use isopod_monitor_protocol::launch::{Launch, Part, Rootfs};
use isopod_monitor_protocol::state;
use isopod_sys::mount::{self, OverlayOptions};
use isopod_sys::root::Root;
use isopod_sys::tree;
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{FileType, Mode, OFlags, fstat};

use super::Failure;

/// Mounts what `launch` says at `<state>/rootfs`, and makes the folder in there that the process starts in,
/// as every runtime does but libcontainer. `other` is the mount namespace of another container.
pub fn make(
    launch: &Launch,
    working_dir: &Path,
    other: Option<BorrowedFd<'_>>,
) -> Result<(), Failure> {
    let target = launch.state.join(state::ROOTFS);
    unshare(CloneFlags::CLONE_NEWNS).map_err(Failure::at("cannot make a mount namespace"))?;
    let at = || format!("cannot mount the root file system at {}", target.display());
    let mount = match &launch.rootfs {
        Rootfs::Overlay { lower, upper, work } => {
            let options = OverlayOptions::default();
            mount::overlay(lower, upper.as_deref(), work.as_deref(), options)
                .map_err(Failure::at(at()))?
        }
        Rootfs::Folder { path } => tree::bind(path)
            .map_err(Failure::at(format!("cannot use the root file system {}", path.display())))?,
    };
    tree::make_holder_private(&target).map_err(Failure::at(at()))?;
    tree::attach(mount.as_fd(), &target).map_err(Failure::at(at()))?;
    for (index, part) in launch.parts.iter().enumerate() {
        let target = launch.state.join(state::PARTS).join(index.to_string());
        show(part, &target, other).map_err(Failure::at(describe(part)))?;
    }
    Root::open(&target)
        .and_then(|root| root.make_folders(working_dir))
        .map_err(Failure::at(format!("cannot use working directory {}", working_dir.display())))
}

fn describe(part: &Part) -> String {
    match part {
        Part::Inside { folder, path } => {
            format!("cannot mount {} of {}", path.display(), folder.display())
        }
        Part::Image { path, .. } if path.as_os_str().is_empty() => "cannot mount an image".into(),
        Part::Image { path, .. } => format!("cannot mount {} of an image", path.display()),
        Part::SharedMemory => "cannot share the /dev/shm of another container".into(),
    }
}

/// Mounts a part at `target`, by the descriptor that looking it up gave.
fn show(part: &Part, target: &Path, other: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let make_folder = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    if let Some(folder) = target.parent() {
        make_folder(folder)?;
    }
    let (tree, kind) = match part {
        Part::Inside { folder, path } => {
            let place = Root::open(folder)?.open_path(path, OFlags::PATH, Mode::empty())?;
            (tree::bind_open(place.as_fd())?, kind_of(place.as_fd())?)
        }
        Part::Image { layers, path } => {
            let place = target.with_extension("image");
            make_folder(&place)?;
            // A single layer would become a bind mount, which whoever may mount could make writable again. Over
            // an empty folder it is an overlay without an upper one, which stays as it is whatever is asked of it.
            let mut layers = layers.clone();
            if layers.len() == 1 {
                layers.push(place.clone());
            }
            let tree = mount::part_of_layers(&layers, path, &place)?;
            let kind = kind_of(tree.as_fd())?;
            (tree, kind)
        }
        Part::SharedMemory => {
            let missing = || {
                io::Error::new(io::ErrorKind::NotFound, "its mount namespace was not handed over")
            };
            let namespace = other.ok_or_else(missing)?;
            (tree::bind_in(namespace, Path::new("/dev/shm"))?, FileType::Directory)
        }
    };
    match kind {
        FileType::Directory => make_folder(target)?,
        FileType::RegularFile => drop(File::create(target)?),
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "no file and no folder")),
    }
    tree::attach(tree.as_fd(), target)
}

fn kind_of(place: BorrowedFd<'_>) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(place)?.st_mode))
}

//! Making the root file system appear, in a mount namespace of the launcher's own.
//!
//! The mount exists there and in the copy that the container gets, and goes with them: there
//! is nothing to unmount, and the host's mount table doesn't grow.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;

use isopod_monitor_protocol::launch::{Launch, Part, Rootfs};
use isopod_monitor_protocol::state;
use isopod_sys::mount::{self, OverlayOptions};
use isopod_sys::root::Root;
use isopod_sys::tree;
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{FileType, Mode, OFlags, fstat};
use std::os::fd::AsFd;
use std::path::Path;

use super::Failure;

/// Mounts what `launch` says at `<state>/rootfs`, and makes the folder in there that the process starts in,
/// as every runtime does but libcontainer.
pub fn make(launch: &Launch, working_dir: &Path) -> Result<(), Failure> {
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
        show(part, &target).map_err(Failure::at(format!(
            "cannot mount {} of {}",
            part.path.display(),
            part.folder.display()
        )))?;
    }
    Root::open(&target)
        .and_then(|root| root.make_folders(working_dir))
        .map_err(Failure::at(format!("cannot use working directory {}", working_dir.display())))
}

/// Mounts a part at `target`, by the descriptor that looking it up gave.
fn show(part: &Part, target: &Path) -> io::Result<()> {
    let place = Root::open(&part.folder)?.open_path(&part.path, OFlags::PATH, Mode::empty())?;
    if let Some(folder) = target.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    match FileType::from_raw_mode(fstat(&place)?.st_mode) {
        FileType::Directory => DirBuilder::new().recursive(true).mode(0o700).create(target)?,
        FileType::RegularFile => drop(File::create(target)?),
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "no file and no folder")),
    }
    tree::attach(tree::bind_open(place.as_fd())?.as_fd(), target)
}

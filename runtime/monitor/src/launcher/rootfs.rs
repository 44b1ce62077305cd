//! Making the root file system appear, in a mount namespace of the launcher's own.
//!
//! The mount exists there and in the copy that the container gets, and goes with them: there
//! is nothing to unmount, and the host's mount table doesn't grow.

use isopod_monitor_protocol::launch::{Launch, Rootfs};
use isopod_monitor_protocol::state;
use isopod_sys::mount::{self, OverlayOptions};
use isopod_sys::root::Root;
use isopod_sys::tree;
use nix::sched::{CloneFlags, unshare};
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
    Root::open(&target)
        .and_then(|root| root.make_folders(working_dir))
        .map_err(Failure::at(format!("cannot use working directory {}", working_dir.display())))
}

//! Making the root file system appear, in a mount namespace of the launcher's own.
//!
//! The mount exists there and in the copy that the container gets, and goes with them: there
//! is nothing to unmount, and the host's mount table doesn't grow.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use isopod_monitor_protocol::launch::{Launch, Part, Rootfs};
use isopod_monitor_protocol::state;
use isopod_sys::mount::{self, OverlayOptions};
use isopod_sys::root::Root;
use isopod_sys::{process, tree};
use nix::sched::{CloneFlags, unshare};
use oci_spec::runtime::Spec;
use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::mount::UnmountFlags;

use super::shelf::{self, Shelf};
use super::{Failure, Given};
use crate::spec::Facts;

/// Where a container in a user namespace finds what it is shown: neither its root nor its sources are where the
/// specification says.
#[derive(Debug)]
pub struct Mapped {
    shelf: Shelf,
    root: PathBuf,
}

/// Mounts what `launch` says at `<state>/rootfs`, and makes the folder in there that the process starts in,
/// as every runtime does but libcontainer. With a user namespace all of it has mapped ids, and lies elsewhere.
pub fn make(launch: &Launch, facts: &Facts, given: Given<'_>) -> Result<Option<Mapped>, Failure> {
    let target = launch.state.join(state::ROOTFS);
    unshare(CloneFlags::CLONE_NEWNS).map_err(Failure::at("cannot make a mount namespace"))?;
    let at = || format!("cannot mount the root file system at {}", target.display());
    let mut ids = Ids::new(launch, given).map_err(Failure::at("cannot map ids"))?;
    let mount = match &launch.rootfs {
        Rootfs::Overlay { lower, upper, work } => {
            let layers = ids.layers(lower).map_err(Failure::at(at()))?;
            let writable = ids.writable(upper.as_deref(), work.as_deref());
            let (upper, work) = writable.map_err(Failure::at(at()))?;
            let options = OverlayOptions::default();
            // Whoever mounts it makes what it needs in its work folder, now and later.
            let mounted = ids.as_root(facts, || {
                mount::overlay(&layers, upper.as_deref(), work.as_deref(), options)
            });
            ids.clear().and(mounted).map_err(Failure::at(at()))?
        }
        Rootfs::Folder { path } => tree::bind(path)
            .and_then(|tree| ids.map(tree, true))
            .map_err(Failure::at(format!("cannot use the root file system {}", path.display())))?,
    };
    tree::make_holder_private(&target).map_err(Failure::at(at()))?;
    let root = match ids.shelf.as_mut() {
        Some(shelf) => shelf.put(mount.as_fd()).map_err(Failure::at(at()))?,
        None => {
            tree::attach(mount.as_fd(), &target).map_err(Failure::at(at()))?;
            target
        }
    };
    for (index, part) in launch.parts.iter().enumerate() {
        let target = launch.state.join(state::PARTS).join(index.to_string());
        show(part, &target, given.mount, &mut ids).map_err(Failure::at(describe(part)))?;
    }
    let working_dir = &facts.working_dir;
    ids.as_root(facts, || Root::open(&root)?.make_folders(working_dir))
        .map_err(Failure::at(format!("cannot use working directory {}", working_dir.display())))?;
    Ok(ids.shelf.map(|shelf| Mapped { shelf, root }))
}

impl Mapped {
    /// Has `spec` say where things are, and maps what it binds itself.
    pub fn tell(
        mut self,
        launch: &Launch,
        spec: &mut Spec,
        users: BorrowedFd<'_>,
    ) -> Result<(), Failure> {
        let parts = launch.state.join(state::PARTS);
        let mut mounts = spec.mounts().clone().unwrap_or_default();
        for mount in &mut mounts {
            let says = |word: &str| mount.options().iter().flatten().any(|option| option == word);
            let (Some("bind"), Some(source)) = (mount.typ().as_deref(), mount.source()) else {
                continue;
            };
            let (source, recursive) = (source.clone(), says("rbind"));
            let opened = match recursive {
                true => tree::bind(&source),
                false => tree::bind_alone(&source),
            };
            let tree = opened.and_then(|tree| match source.starts_with(&parts) {
                // It is as it should be already.
                true => Ok(tree),
                false => shelf::map(tree, users, recursive),
            });
            let place = tree.and_then(|tree| self.shelf.put(tree.as_fd()));
            let place = place.map_err(Failure::at(format!("cannot mount {}", source.display())))?;
            mount.set_source(Some(place));
        }
        spec.set_mounts(Some(mounts));
        if let Some(mut root) = spec.root().clone() {
            root.set_path(self.root);
            spec.set_root(Some(root));
        }
        Ok(())
    }
}

/// How ids are mapped on the way into a container; not at all without a user namespace of its own.
struct Ids<'a> {
    users: Option<BorrowedFd<'a>>,
    shelf: Option<Shelf>,
    /// Layers that lie there until an overlay has them.
    laid: Vec<PathBuf>,
}

impl<'a> Ids<'a> {
    fn new(launch: &Launch, given: Given<'a>) -> io::Result<Self> {
        let needed: [&Path; 2] = [&launch.state, &launch.data];
        let shelf = given.users.map(|_| Shelf::raise(&needed)).transpose()?;
        Ok(Self { users: given.users, shelf, laid: Vec::new() })
    }

    fn map(&self, tree: OwnedFd, recursive: bool) -> io::Result<OwnedFd> {
        match self.users {
            Some(users) => shelf::map(tree, users, recursive),
            None => Ok(tree),
        }
    }

    /// A folder with mapped ids where overlayfs finds it (before Linux 6.15 it takes none that is not attached).
    fn lay(&mut self, folder: &Path) -> io::Result<PathBuf> {
        let (Some(users), Some(shelf)) = (self.users, self.shelf.as_mut()) else {
            return Ok(folder.to_owned());
        };
        let tree = shelf::map(tree::bind_alone(folder)?, users, false)?;
        let place = shelf.put(tree.as_fd())?;
        self.laid.push(place.clone());
        Ok(place)
    }

    fn layers(&mut self, layers: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
        layers.iter().map(|layer| self.lay(layer)).collect()
    }

    /// Both must be in one mount: that of the folder they are in.
    fn writable(
        &mut self,
        upper: Option<&Path>,
        work: Option<&Path>,
    ) -> io::Result<(Option<PathBuf>, Option<PathBuf>)> {
        let (Some(upper), Some(work)) = (upper, work) else { return Ok((None, None)) };
        let both = (upper.parent(), upper.file_name(), work.parent(), work.file_name());
        let (Some(folder), Some(upper), Some(other), Some(work)) = both else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if folder != other {
            return Err(io::Error::other("the writable folder and its work folder lie apart"));
        }
        let place = self.lay(folder)?;
        Ok((Some(place.join(upper)), Some(place.join(work))))
    }

    /// What overlays were made of is theirs alone now.
    fn clear(&mut self) -> io::Result<()> {
        for place in self.laid.drain(..) {
            rustix::mount::unmount(&place, UnmountFlags::DETACH)?;
        }
        Ok(())
    }

    /// Does `work` as the container's root: what is made belongs to that one.
    fn as_root<T>(&self, facts: &Facts, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.users.is_none() {
            return work();
        }
        process::act_as(facts.root.0, facts.root.1)?;
        let done = work();
        process::act_as(0, 0)?;
        done
    }
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
fn show(
    part: &Part,
    target: &Path,
    other: Option<BorrowedFd<'_>>,
    ids: &mut Ids<'_>,
) -> io::Result<()> {
    let make_folder = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    if let Some(folder) = target.parent() {
        make_folder(folder)?;
    }
    let (tree, kind) = match part {
        Part::Inside { folder, path } => {
            let place = Root::open(folder)?.open_path(path, OFlags::PATH, Mode::empty())?;
            (ids.map(tree::bind_open(place.as_fd())?, true)?, kind_of(place.as_fd())?)
        }
        Part::Image { layers, path } => {
            let place = target.with_extension("image");
            make_folder(&place)?;
            // A single layer would become a bind mount, which whoever may mount could make writable again. Over
            // an empty folder it is an overlay without an upper one, which stays as it is whatever is asked of it.
            let mut layers = ids.layers(layers)?;
            if layers.len() == 1 {
                layers.push(place.clone());
            }
            let tree = mount::part_of_layers(&layers, path, &place);
            let tree = ids.clear().and(tree)?;
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

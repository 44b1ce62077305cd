//! The door: folders, database and the parts that share them.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use isopod_sys::atomic::{self, Durability};

use crate::config::Config;
use crate::container::Containers;
use crate::content::Content;
use crate::image::Images;
use crate::layout::{self, Layout, private_folder};
use crate::namespace::Namespaces;
use crate::network::Networks;
use crate::snapshot::{Layers, Snapshots};
use crate::state::State;
use crate::volume::Volumes;
use crate::{Error, Result};

/// One instance of the runtime, opened by this process.
///
/// Opening is cheap (a database and a few look-ups), so that every command does it anew. Nothing
/// runs in the background, and other processes may use the same instance at the same time.
#[derive(Debug)]
pub struct Runtime {
    config: Config,
    layout: Layout,
    state: State,
    content: Content,
    layers: Layers,
    boot_id: String,
}

impl Runtime {
    /// Opens the instance that `config` describes, making its folders if they are missing.
    ///
    /// # Errors
    /// Folders can't be made (no root: [`crate::ErrorKind::PermissionDenied`]), the tree is of a newer
    /// release, or the database is damaged.
    pub fn open(config: Config) -> Result<Self> {
        let layout = Layout::new(config.root.clone(), config.state.clone());
        let boot_id = boot_id()?;
        let content = Content::new(&layout);
        let is_new = !is_current(&layout)?;
        if is_new {
            prepare(&layout, &content)?;
        }
        private_folder(layout.state()).map_err(Error::io("cannot make", layout.state()))?;
        crate::reserve::keep(layout.root());
        let state = match is_new {
            true => State::create(&layout.database())?,
            false => State::open(&layout.database())?,
        };
        if is_new {
            mark_as_current(&layout)?;
        }
        let layers = Layers::new(&layout, &boot_id);
        Ok(Self { config, layout, state, content, layers, boot_id })
    }

    /// Opens an instance that is there as it is, making nothing: for whoever looks for what is missing.
    pub(crate) fn open_as_it_is(config: Config) -> Result<Self> {
        let layout = Layout::new(config.root.clone(), config.state.clone());
        let boot_id = boot_id()?;
        let state = State::open(&layout.database())?;
        let (content, layers) = (Content::new(&layout), Layers::new(&layout, &boot_id));
        Ok(Self { config, layout, state, content, layers, boot_id })
    }

    /// How it was configured.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its paths.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn layers(&self) -> &Layers {
        &self.layers
    }

    pub(crate) fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// Blobs by digest.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Images, the same for every namespace.
    #[must_use]
    pub fn images(&self) -> Images<'_> {
        Images::new(self)
    }

    /// Layers and the writable folders over them.
    #[must_use]
    pub fn snapshots(&self) -> Snapshots<'_> {
        Snapshots::new(self)
    }

    /// Networks, the same for every namespace.
    #[must_use]
    pub fn networks(&self) -> Networks<'_> {
        Networks::new(self)
    }

    /// Namespaces.
    #[must_use]
    pub fn namespaces(&self) -> Namespaces<'_> {
        Namespaces::new(self)
    }

    /// The containers of one namespace.
    #[must_use]
    pub fn containers(&self, namespace: &str) -> Containers<'_> {
        Containers::new(self, namespace)
    }

    /// Syncs unpacked layers to disk, so that they count as whole after a power cut too.
    ///
    /// # Errors
    /// Syncing failed.
    pub fn settle(&self) -> Result<()> {
        self.layers.settle()
    }

    /// Has another process do [`Runtime::settle`], since nobody should wait for a disk that is slow.
    /// If it can't be started or dies, layers are unpacked anew after a power cut; nothing else.
    pub(crate) fn settle_later(&self) {
        let Some((program, arguments)) = self.config.program.split_first() else { return };
        let mut command = Command::new(program);
        command.args(arguments).args(["internal", "settle"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Err(error) = command.process_group(0).spawn() {
            tracing::debug!(%error, "cannot start a process to sync layers");
        }
    }

    /// Volumes, the same for every namespace.
    #[must_use]
    pub fn volumes(&self) -> Volumes<'_> {
        Volumes::new(self)
    }
}

fn boot_id() -> Result<String> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let text = fs::read_to_string(path).map_err(Error::io("cannot read", path))?;
    Ok(text.trim().to_owned())
}

/// Whether the tree was prepared by a release with this layout.
fn is_current(layout: &Layout) -> Result<bool> {
    let path = layout.version();
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(Error::io("cannot read", &path))?,
    };
    let found: u32 = text.trim().parse().map_err(|_| Error::Corrupt {
        path: path.clone(),
        detail: format!("{:?} is no format version", text.trim()),
    })?;
    if found > layout::VERSION {
        return Err(Error::Version { path, found, known: layout::VERSION });
    }
    Ok(found == layout::VERSION)
}

/// Makes the folders; every step may be repeated, so that a crash in between does no harm.
fn prepare(layout: &Layout, content: &Content) -> Result<()> {
    let folders = [
        layout.root().to_owned(),
        layout.layers(),
        layout.snapshots(),
        layout.volumes(),
        layout.programs(),
    ];
    for folder in &folders {
        private_folder(folder).map_err(Error::io("cannot make", folder))?;
    }
    content.prepare()
}

/// Last of all: only a tree that has its database is a tree.
fn mark_as_current(layout: &Layout) -> Result<()> {
    let path = layout.version();
    atomic::write(&path, format!("{}\n", layout::VERSION).as_bytes(), 0o600, Durability::Power)
        .map_err(Error::io("cannot write", &path))
}

//! `export`: the file system as it is written on disk, without what is mounted in it.

use std::io::{BufWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::pack::Packer;
use crate::container::Container;
use crate::snapshot::view;
use crate::{Error, Result};

impl Container<'_> {
    /// Writes its file system as a tar archive, without volumes and other mounts; it may run meanwhile.
    ///
    /// # Errors
    /// Something can't be read, or the writer failed.
    pub fn export(&self, writer: &mut dyn Write) -> Result<()> {
        let root = view::open(&self.rootfs()?)?;
        let handle: OwnedFd = root
            .open_path(Path::new("/"), OFlags::PATH, Mode::empty())
            .map_err(Error::io("cannot look into", &self.data()))?;
        let mut packer = Packer::new(BufWriter::with_capacity(128 << 10, writer));
        packer
            .content(handle.as_fd())
            .and_then(|()| packer.finish())
            .and_then(|mut writer| writer.flush())
            .map_err(|source| Error::Io {
                action: "cannot export",
                path: PathBuf::from(format!("container {}", self.name())),
                source,
            })?;
        self.happened("export", &[]);
        Ok(())
    }
}

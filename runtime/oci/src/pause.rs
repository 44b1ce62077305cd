//! `pause` and `resume`: freezing all processes of a container.

use isopod_sys::cgroup::Hierarchies;

use crate::error::{Error, Result};
use crate::status::Status;
use crate::store::Container;

impl Container {
    /// Freezes it.
    ///
    /// # Errors
    /// It has no process, is frozen, or can't be.
    pub fn pause(&self) -> Result<()> {
        let _lock = self.folder.lock()?;
        match self.status() {
            Status::Created | Status::Running => self.set_frozen(true),
            _ => Err(Error::NotRunning),
        }
    }

    /// Thaws it.
    ///
    /// # Errors
    /// It isn't frozen, or can't be thawed.
    pub fn resume(&self) -> Result<()> {
        let _lock = self.folder.lock()?;
        match self.status() {
            Status::Paused => self.set_frozen(false),
            _ => Err(Error::NotPaused),
        }
    }

    fn set_frozen(&self, frozen: bool) -> Result<()> {
        let path = &self.record.cgroup;
        Hierarchies::find()
            .and_then(|hierarchies| hierarchies.set_frozen(path, frozen))
            .map_err(Error::io(if frozen { "freeze" } else { "thaw" }, path))
    }
}

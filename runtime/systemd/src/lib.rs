//! What is asked of systemd where it makes the control groups (the `systemd` driver of cgroups).
//!
//! - [`scope`]: `slice:prefix:name`, the unit that it stands for, and where that unit's group lies;
//! - [`limits`]: limits as properties of a unit, for systemd writes its own values again;
//! - [`annotation`]: further properties, as engines pass them through;
//! - [`units`]: the calls: making a scope, changing and ending it;
//! - `connection`, `wire`: as much of D-Bus as these calls need.
//!
//! Blocking, without threads and without the environment: whoever calls it ends soon, as launchers do.
//! Nothing of it belongs into a process that stays.

pub mod annotation;
mod connection;
mod error;
pub mod limits;
pub mod scope;
pub mod units;
mod wire;

use std::path::Path;

pub use error::{Error, Result};
pub use scope::Scope;
pub use units::Manager;
pub use wire::Value;

/// A property of a unit (org.freedesktop.systemd1(5)).
pub type Property = (String, Value);

/// Whether the machine was booted with systemd (sd_booted(3)).
#[must_use]
pub fn is_running() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Whether systemd can be asked for cgroups here.
///
/// # Errors
/// It does not run, or cgroups have version 1: its groups of that version lack half of the controllers, and it
/// takes rules for devices away again.
pub fn check() -> Result<()> {
    let is_unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    match (is_running(), is_unified) {
        (false, _) => Err(Error::NotRunning),
        (true, false) => Err(Error::Version1),
        (true, true) => Ok(()),
    }
}

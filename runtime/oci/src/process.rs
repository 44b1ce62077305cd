//! Processes of a container: which there are, and what one that is added is like.

use std::collections::HashSet;

use isopod_sys::cgroup::Hierarchies;
use oci_spec::runtime::{Capability, LinuxCapabilities, Process};

use crate::error::{Error, Result};
use crate::status::Status;
use crate::store::Container;

/// What `exec` says of a process; the rest is as the container's own.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// Where it starts.
    pub cwd: Option<String>,
    /// Variables beside the container's, `NAME=value`.
    pub env: Vec<String>,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// User and group ids.
    pub user: Option<(u32, Option<u32>)>,
    /// Groups beside that.
    pub additional_gids: Vec<u32>,
    /// Its AppArmor profile.
    pub apparmor: Option<String>,
    /// Its SELinux label.
    pub label: Option<String>,
    /// Whether it can gain privileges by executing something.
    pub no_new_privileges: Option<bool>,
    /// Capabilities beside the container's.
    pub capabilities: Vec<Capability>,
}

impl Container {
    /// Ids of all its processes, in the host's pid namespace.
    ///
    /// # Errors
    /// The cgroup can't be read.
    pub fn processes(&self) -> Result<Vec<i32>> {
        let path = &self.record.cgroup;
        Hierarchies::find()
            .and_then(|hierarchies| hierarchies.processes(path))
            .map_err(Error::io("read cgroup", path))
    }

    /// Whether a process can be added.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Paused`].
    pub fn can_exec(&self, though_paused: bool) -> Result<()> {
        match self.status() {
            Status::Created | Status::Running => Ok(()),
            Status::Paused if though_paused => Ok(()),
            Status::Paused => Err(Error::Paused),
            Status::Creating | Status::Stopped => Err(Error::Stopped),
        }
    }

    /// The container's own process, changed.
    ///
    /// # Errors
    /// Its specification can't be read.
    pub fn process_like_its_own(&self, changes: Changes) -> Result<Process> {
        let mut process = self.folder.spec()?.process().clone().unwrap_or_default();
        process.set_args(Some(changes.args));
        if let Some(cwd) = changes.cwd {
            process.set_cwd(cwd.into());
        }
        let mut env = process.env().clone().unwrap_or_default();
        env.extend(changes.env);
        process.set_env(Some(env));
        process.set_terminal(Some(changes.terminal));
        let mut user = process.user().clone();
        if let Some((uid, gid)) = changes.user {
            user.set_uid(uid);
            if let Some(gid) = gid {
                user.set_gid(gid);
            }
        }
        let mut gids = user.additional_gids().clone().unwrap_or_default();
        gids.extend(changes.additional_gids);
        user.set_additional_gids(Some(gids));
        process.set_user(user);
        if let Some(profile) = changes.apparmor {
            process.set_apparmor_profile(Some(profile));
        }
        if let Some(label) = changes.label {
            process.set_selinux_label(Some(label));
        }
        if let Some(nothing_new) = changes.no_new_privileges {
            process.set_no_new_privileges(Some(nothing_new));
        }
        let capabilities = process.capabilities().clone().unwrap_or_else(none);
        process.set_capabilities(Some(extend(capabilities, &changes.capabilities)));
        Ok(process)
    }
}

/// No capabilities at all; the default of the type has some.
#[must_use]
pub fn none() -> LinuxCapabilities {
    let mut capabilities = LinuxCapabilities::default();
    capabilities
        .set_bounding(None)
        .set_effective(None)
        .set_permitted(None)
        .set_inheritable(None)
        .set_ambient(None);
    capabilities
}

/// Added capabilities are bounding, effective and permitted, never inheritable.
fn extend(mut to: LinuxCapabilities, by: &[Capability]) -> LinuxCapabilities {
    let with = |set: &Option<HashSet<Capability>>| {
        let mut set = set.clone().unwrap_or_default();
        set.extend(by);
        Some(set)
    };
    let (bounding, effective) = (with(to.bounding()), with(to.effective()));
    let permitted = with(to.permitted());
    to.set_bounding(bounding).set_effective(effective).set_permitted(permitted);
    to
}

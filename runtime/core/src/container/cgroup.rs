//! Where a container's cgroup is, and who makes it.

use std::path::PathBuf;

use isopod_systemd::Scope;

use super::{Container, Record};
use crate::config::CgroupManager;
use crate::{Error, Result};

/// What scopes' names begin with.
const PREFIX: &str = "isopod";

/// Whether the record's cgroup can be made by whom it names.
pub(super) fn check(id: &str, record: &Record) -> Result<()> {
    let parent = record.settings.cgroup_parent.as_deref();
    match record.cgroup_manager {
        CgroupManager::Cgroupfs => match parent {
            Some(parent) if !parent.starts_with('/') => Err(Error::Invalid(format!(
                "cgroup parent {parent:?} is not absolute: it is looked up from the root of the cgroups, as in /{parent}"
            ))),
            _ => Ok(()),
        },
        CgroupManager::Systemd => isopod_systemd::check()
            .and_then(|()| Scope::new(parent.unwrap_or_default(), PREFIX, id))
            .map(drop)
            .map_err(|error| Error::Invalid(error.to_string())),
    }
}

impl Container<'_> {
    /// Its cgroup, absolute in every hierarchy.
    #[must_use]
    pub fn cgroup(&self) -> String {
        match self.scope() {
            Some(scope) => scope.path().display().to_string(),
            None => self.own_cgroup(),
        }
    }

    /// The unit of systemd's that makes its cgroup, if one does.
    #[must_use]
    pub fn scope(&self) -> Option<Scope> {
        let parent = self.record.settings.cgroup_parent.as_deref().unwrap_or_default();
        match self.record.cgroup_manager {
            CgroupManager::Cgroupfs => None,
            // It was checked when the container was created.
            CgroupManager::Systemd => Scope::new(parent, PREFIX, &self.row.id).ok(),
        }
    }

    /// `linux.cgroupsPath` of its `config.json`: `slice:prefix:name` where systemd is to make it.
    pub(super) fn cgroups_path(&self) -> PathBuf {
        let Some(scope) = self.scope() else { return PathBuf::from(self.own_cgroup()) };
        PathBuf::from(format!("{}:{PREFIX}:{}", scope.slice, self.row.id))
    }

    fn own_cgroup(&self) -> String {
        let parent = match &self.record.settings.cgroup_parent {
            Some(parent) => parent.trim_end_matches('/').to_owned(),
            None => format!("{}/{}", self.runtime.config().cgroup_parent, self.row.namespace),
        };
        format!("{parent}/{}", self.row.id)
    }
}

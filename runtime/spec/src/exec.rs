//! A further process in a running container, as `exec` starts it.

use std::path::PathBuf;

use isopod_sys::root::Root;
use oci_spec::runtime::{Process, Spec, User};

use crate::build::SpecError;
use crate::capabilities::{self, CapabilitySet};
use crate::environment::{DEFAULT_PATH, Environment};
use crate::paths;
use crate::process::{HOME_ANNOTATION, blank, check_arguments, to_oci};
use crate::users;

/// What an exec asks for beside what the container has.
#[derive(Debug, Clone, Default)]
pub struct ExecRequest {
    /// The command; not empty.
    pub args: Vec<String>,
    /// `NAME=value` sets, a bare `NAME` removes.
    pub env: Vec<String>,
    /// Absolute; the container's own unless given.
    pub cwd: Option<PathBuf>,
    /// `user[:group]`; the container's own unless given.
    pub user: Option<String>,
    /// Names or numbers, beside the groups the user has.
    pub group_add: Vec<String>,
    /// On a terminal of its own.
    pub terminal: bool,
    /// All capabilities the runtime holds, and no AppArmor profile.
    pub privileged: bool,
    /// Names, with or without `CAP_`, or `ALL`.
    pub cap_add: Vec<String>,
    /// What the runtime holds: `Host::capabilities`.
    pub held: CapabilitySet,
}

/// The process of an exec into the container of `spec`, whose root file system is `root`.
///
/// Environment, working directory, limits and what the container was granted are
/// inherited; inheritable capabilities are empty (security.md, row 6). The system call
/// filter is no part of a process: whoever starts this one applies `linux.seccomp`.
///
/// # Errors
/// As for [`crate::build()`].
pub fn exec_process(spec: &Spec, root: &Root, request: &ExecRequest) -> Result<Process, SpecError> {
    check_arguments(&request.args)?;
    let inherited = spec.process().clone().unwrap_or_else(blank);
    let mut env = Environment::default();
    env.extend_from_image(inherited.env().as_deref().unwrap_or_default())?;
    if request.terminal {
        env.set_missing("TERM", "xterm");
    }

    let mut process = blank();
    match &request.user {
        Some(wanted) => {
            let user = users::resolve(root, wanted, &request.group_add)?;
            if home_is_derived(spec) {
                env.set("HOME", &user.home);
            }
            process.set_user(to_oci(&user));
        }
        None => {
            process.set_user(with_groups(inherited.user(), root, &request.group_add)?);
        }
    }
    env.extend_from_request(&request.env)?;
    env.set_missing("PATH", DEFAULT_PATH);
    env.set_missing("HOME", "/");

    let granted = capabilities::granted_to(inherited.capabilities().as_ref());
    let none = CapabilitySet::default();
    let nothing_else = ["ALL".to_owned()];
    let added = capabilities::grant(false, &request.cap_add, &nothing_else, request.held)?;
    let granted = granted.union(added).union(if request.privileged { request.held } else { none });
    process.set_capabilities(Some(capabilities::for_process(granted, process.user().uid())));

    process.set_args(Some(request.args.clone()));
    process.set_env(Some(env.into_entries()));
    process.set_terminal(Some(request.terminal));
    process.set_cwd(match &request.cwd {
        Some(path) => paths::clean(path).map_err(SpecError::WorkingDirectory)?,
        None => inherited.cwd().clone(),
    });
    process.set_rlimits(inherited.rlimits().clone());
    process.set_no_new_privileges(inherited.no_new_privileges().filter(|set| *set));
    process.set_oom_score_adj(inherited.oom_score_adj());
    if !request.privileged {
        process.set_apparmor_profile(inherited.apparmor_profile().clone());
    }
    Ok(process)
}

/// The container's own user with further groups.
fn with_groups(user: &User, root: &Root, group_add: &[String]) -> Result<User, SpecError> {
    let mut user = user.clone();
    if group_add.is_empty() {
        return Ok(user);
    }
    let same = format!("{}:{}", user.uid(), user.gid());
    let added = users::resolve(root, &same, group_add)?.additional_gids;
    let mut gids = user.additional_gids().clone().unwrap_or_default();
    let new: Vec<u32> = added.into_iter().filter(|gid| !gids.contains(gid)).collect();
    gids.extend(new);
    user.set_additional_gids(Some(gids));
    Ok(user)
}

fn home_is_derived(spec: &Spec) -> bool {
    let (key, value) = HOME_ANNOTATION;
    spec.annotations().as_ref().and_then(|notes| notes.get(key)).is_some_and(|v| v == value)
}

#[cfg(test)]
mod tests;

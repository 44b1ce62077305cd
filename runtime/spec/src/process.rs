//! The process of a container (runtime-spec, config.md, "Process").

use std::path::{Path, PathBuf};

use oci_spec::runtime::{PosixRlimit, Process, ProcessBuilder, User, UserBuilder};

use crate::build::SpecError;
use crate::capabilities::{self, CapabilitySet};
use crate::environment::{DEFAULT_PATH, Environment};
use crate::paths;
use crate::request::{AppArmor, Profile, SpecRequest};
use crate::ulimit::{self, Ulimit};
use crate::users::{self, ResolvedUser};

/// The annotation that says HOME came from `/etc/passwd`: an exec as somebody else then
/// gets that user's, while a HOME the image or request set stays.
pub(crate) const HOME_ANNOTATION: (&str, &str) = ("isopod.home", "passwd");

/// The process, and the annotation to go with it.
pub(crate) fn build(
    request: &SpecRequest<'_>,
    granted: CapabilitySet,
) -> Result<(Process, Option<(String, String)>), SpecError> {
    let asked = &request.process;
    let wanted = asked.user.as_deref().unwrap_or(&request.image.user);
    let user = users::resolve(request.root, wanted, &asked.group_add)?;
    let (env, derived_home) = environment(request, &user)?;

    let mut process = blank();
    process.set_terminal(Some(asked.terminal));
    process.set_args(Some(command(request)?));
    process.set_env(Some(env));
    process.set_cwd(working_directory(request)?);
    process.set_capabilities(Some(capabilities::for_process(granted, user.uid)));
    process.set_user(to_oci(&user));
    process.set_rlimits(rlimits(request)?);
    process.set_no_new_privileges(request.security.no_new_privileges.then_some(true));
    process.set_apparmor_profile(apparmor(request)?);
    process.set_oom_score_adj(oom_score(request)?);
    let annotation =
        derived_home.then(|| (HOME_ANNOTATION.0.to_owned(), HOME_ANNOTATION.1.to_owned()));
    Ok((process, annotation))
}

/// A process with none of oci-spec's own defaults.
///
/// `noNewPrivileges` in particular must be absent rather than false: libcontainer takes
/// its presence for true when it decides whether the filter is loaded before or after
/// privileges are dropped.
pub(crate) fn blank() -> Process {
    let mut process =
        ProcessBuilder::default().build().expect("no field of this builder is required");
    process.set_capabilities(None).set_no_new_privileges(None).set_rlimits(None);
    process.set_apparmor_profile(None).set_selinux_label(None).set_env(None).set_args(None);
    process
}

pub(crate) fn to_oci(user: &ResolvedUser) -> User {
    UserBuilder::default()
        .uid(user.uid)
        .gid(user.gid)
        .additional_gids(user.additional_gids.clone())
        .build()
        .expect("no field of this builder is required")
}

fn command(request: &SpecRequest<'_>) -> Result<Vec<String>, SpecError> {
    let (image, asked) = (request.image, &request.process);
    let words = match (request.profile, &asked.entrypoint) {
        (_, Some(entrypoint)) => {
            // The image's command was written for the image's entry point.
            let given = entrypoint.iter().filter(|_| !is_cleared(entrypoint));
            given.chain(&asked.args).cloned().collect()
        }
        (Profile::Ctr, None) if !asked.args.is_empty() => asked.args.clone(),
        (_, None) => {
            let rest = if asked.args.is_empty() { &image.cmd } else { &asked.args };
            [image.entrypoint.as_slice(), rest].concat()
        }
    };
    check_arguments(&words)?;
    Ok(words)
}

/// `--entrypoint ""`.
fn is_cleared(entrypoint: &[String]) -> bool {
    matches!(entrypoint, [word] if word.is_empty())
}

pub(crate) fn check_arguments(words: &[String]) -> Result<(), SpecError> {
    if words.first().is_none_or(String::is_empty) {
        return Err(SpecError::NoCommand);
    }
    match words.iter().find(|word| word.contains('\0')) {
        Some(word) => Err(SpecError::Argument(word.clone())),
        None => Ok(()),
    }
}

fn environment(
    request: &SpecRequest<'_>,
    user: &ResolvedUser,
) -> Result<(Vec<String>, bool), SpecError> {
    let mut env = Environment::default();
    env.set("PATH", DEFAULT_PATH);
    if let (Profile::Docker, Some(hostname)) = (request.profile, &request.hostname) {
        env.set("HOSTNAME", hostname);
    }
    if request.process.terminal {
        env.set("TERM", "xterm");
    }
    env.extend_from_image(&request.image.env)?;
    env.extend_from_request(&request.process.env)?;
    // Executors look PATH up, and libcontainer would look HOME up through the C library
    // after entering the root, loading what it finds there (security.md, row 14).
    env.set_missing("PATH", DEFAULT_PATH);
    let derived_home = env.set_missing("HOME", &user.home);
    Ok((env.into_entries(), derived_home))
}

fn working_directory(request: &SpecRequest<'_>) -> Result<PathBuf, SpecError> {
    let path = match &request.process.cwd {
        Some(path) => path.clone(),
        // What an image says counts from the root, with or without a slash.
        None => Path::new("/").join(&request.image.working_dir),
    };
    paths::clean(&path).map_err(SpecError::WorkingDirectory)
}

fn rlimits(request: &SpecRequest<'_>) -> Result<Option<Vec<PosixRlimit>>, SpecError> {
    let mut ulimits = request.ulimits.clone();
    if request.profile == Profile::Ctr && ulimits.iter().all(|limit| limit.name() != "nofile") {
        ulimits.push(Ulimit::new("nofile", 1024, 1024)?);
    }
    let host = request.host;
    let list = ulimit::to_oci(&ulimits, &host.limits, host.can_raise_limits())?;
    Ok((!list.is_empty()).then_some(list))
}

/// libcontainer refuses any profile where AppArmor is off, so none is written then.
fn apparmor(request: &SpecRequest<'_>) -> Result<Option<String>, SpecError> {
    match (&request.security.apparmor, request.host.apparmor) {
        (AppArmor::Unconfined, _) => Ok(None),
        (AppArmor::Default, _) if request.security.privileged => Ok(None),
        (AppArmor::Default, true) => Ok(request.host.default_apparmor.clone()),
        (AppArmor::Default, false) => Ok(None),
        (AppArmor::Named(name), false) => Err(SpecError::NoAppArmor(name.clone())),
        (AppArmor::Named(name), true) => {
            if name.is_empty() || name.chars().any(char::is_control) {
                return Err(SpecError::AppArmorName(name.clone()));
            }
            Ok(Some(name.clone()))
        }
    }
}

fn oom_score(request: &SpecRequest<'_>) -> Result<Option<i32>, SpecError> {
    let Some(asked) = request.oom_score_adj else { return Ok(None) };
    if !(-1000..=1000).contains(&asked) {
        return Err(SpecError::OomScore(asked));
    }
    let held = request.host.oom_score_adj;
    if asked < held && !request.host.can_raise_limits() {
        return Err(SpecError::OomScoreTooLow { asked, held });
    }
    Ok(Some(asked))
}

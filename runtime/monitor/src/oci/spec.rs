//! What libcontainer is told instead of what `config.json` says, and what is refused in it because neither
//! libcontainer nor we do it: nothing is accepted and ignored.

use std::collections::HashSet;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use isopod_oci::process::none;
use isopod_oci::request::Create;
use isopod_oci::store::Folder;
use isopod_systemd::Scope;
use oci_spec::runtime::{
    Capability, Hook, HookBuilder, Hooks, LinuxCapabilities, LinuxNamespaceType, LinuxResources,
    MountBuilder, Process, Spec,
};

use super::{OciError, Result, copy_up, propagation};

/// What is kept beside what libcontainer is told.
#[derive(Debug)]
pub struct Facts {
    /// Absolute below every hierarchy's root.
    pub cgroup: PathBuf,
    /// The unit that it is of, where systemd is to make it.
    pub scope: Option<Scope>,
    /// Absolute, without symlinks.
    pub rootfs: PathBuf,
    /// Whether it has a pid namespace of its own.
    pub owns_pids: bool,
    /// Whether it has a network namespace of its own.
    pub owns_network: bool,
    /// The program's variables.
    pub env: Vec<String>,
    /// What mounts ask of later ones.
    pub propagation: Vec<propagation::Wish>,
    /// Processes that run out of memory are to wait, not to be killed.
    pub disables_oom_killer: bool,
    /// `startContainer`.
    pub start_hooks: Vec<Hook>,
}

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(OciError::Spec(why.into()))
}

/// Checks `spec` and changes it. Hooks are done by [`super::shim`], which reports to descriptor `reports`.
pub fn adapt(spec: &mut Spec, folder: &Folder, job: &Create, reports: RawFd) -> Result<Facts> {
    let bundle = &job.bundle;
    let Some(mut process) = spec.process().clone() else {
        return refuse("process property must not be empty");
    };
    let env = process.env().clone().unwrap_or_default();
    adapt_process(&mut process)?;
    spec.set_process(Some(process));

    let root = spec.root().as_ref().map(|root| bundle.join(root.path()));
    let Some(root) = root else { return refuse("root property must not be empty") };
    let rootfs = root
        .canonicalize()
        .map_err(|error| OciError::Spec(format!("rootfs {}: {error}", root.display())))?;
    if let Some(mut root) = spec.root().clone() {
        root.set_path(rootfs.clone());
        spec.set_root(Some(root));
    }

    copy_up::take(spec, &rootfs)?;
    let Some(mut linux) = spec.linux().clone() else {
        return refuse("linux property must not be empty");
    };
    if linux.intel_rdt().is_some() {
        return refuse("linux.intelRdt is not supported");
    }
    if linux.mount_label().as_ref().is_some_and(|label| !label.is_empty()) {
        return refuse(
            "selinux label is specified in config, but selinux is disabled or not supported",
        );
    }
    let path = linux.cgroups_path().as_deref();
    let scope = job.systemd_cgroup.then(|| scope(path, folder.id())).transpose()?;
    let cgroup = match &scope {
        Some(scope) => scope.path(),
        None => cgroup(path, folder.id())?,
    };
    linux.set_cgroups_path(Some(cgroup.clone()));
    let mut namespaces = linux.namespaces().clone().unwrap_or_default();
    let mut seen = HashSet::new();
    for namespace in &mut namespaces {
        if !seen.insert(namespace.typ()) {
            return refuse(format!("duplicated namespace {}", namespace.typ()));
        }
        if namespace.path().as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            namespace.set_path(None);
        }
    }
    let owns = |kind| namespaces.iter().any(|n| n.typ() == kind && n.path().is_none());
    let facts = Facts {
        cgroup,
        scope,
        rootfs,
        owns_pids: owns(LinuxNamespaceType::Pid),
        owns_network: owns(LinuxNamespaceType::Network),
        env,
        propagation: propagation::take(spec),
        disables_oom_killer: disables_oom_killer(linux.resources().as_ref()),
        start_hooks: adapt_hooks(spec, folder, reports),
    };
    if !seen.contains(&LinuxNamespaceType::Mount) {
        return refuse("a container without a mount namespace of its own is not supported");
    }
    linux.set_namespaces(Some(namespaces));
    // Assembled already, and loaded by ourselves.
    linux.set_seccomp(None);
    spec.set_linux(Some(linux));
    Ok(facts)
}

/// Shows the service manager's socket to the container, and tells its program where: what is said there comes
/// from the container's own processes (systemd.service(5), `NotifyAccess=all`).
pub fn show_notify_socket(spec: &mut Spec, socket: &Path) -> Result<()> {
    const INSIDE: &str = "/run/notify/notify.sock";
    if !socket.is_absolute() {
        let socket = socket.display();
        return refuse(format!("NOTIFY_SOCKET {socket}: a socket without a path is not supported"));
    }
    let mount = MountBuilder::default()
        .destination(INSIDE)
        .typ("bind")
        .source(socket)
        .options(["bind", "nosuid", "noexec", "nodev", "private"].map(str::to_owned).to_vec())
        .build()
        .map_err(|error| OciError::Spec(error.to_string()))?;
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    mounts.push(mount);
    spec.set_mounts(Some(mounts));
    if let Some(mut process) = spec.process().clone() {
        let mut env = process.env().clone().unwrap_or_default();
        env.retain(|one| !one.starts_with("NOTIFY_SOCKET="));
        env.push(format!("NOTIFY_SOCKET={INSIDE}"));
        process.set_env(Some(env));
        spec.set_process(Some(process));
    }
    Ok(())
}

/// Whether the out-of-memory killer is to leave the container alone, which libcontainer overlooks.
pub fn disables_oom_killer(resources: Option<&LinuxResources>) -> bool {
    let memory = resources.and_then(|resources| resources.memory().as_ref());
    memory.is_some_and(|memory| memory.disable_oom_killer() == Some(true))
}

/// Leaves one hook of ours for each stage that has any, and returns those of `startContainer`.
fn adapt_hooks(spec: &mut Spec, folder: &Folder, reports: RawFd) -> Vec<Hook> {
    let Some(hooks) = spec.hooks().clone() else { return Vec::new() };
    #[allow(deprecated, reason = "engines still use prestart")]
    let early = [hooks.prestart().clone(), hooks.create_runtime().clone()];
    let shim = |stage: &str, hooks: usize| {
        let args = [super::shim::NAME, super::shim::OPTION, stage];
        let mut args: Vec<String> = args.map(str::to_owned).to_vec();
        args.extend([folder.path().display().to_string(), reports.to_string()]);
        let hook = HookBuilder::default().path("/proc/self/exe").args(args).build();
        (hooks > 0).then(|| hook.ok().map(|hook| vec![hook])).flatten()
    };
    let mut ours = Hooks::default();
    ours.set_create_runtime(shim(super::shim::RUNTIME, early.iter().flatten().flatten().count()));
    let create_container = hooks.create_container().as_ref().map_or(0, Vec::len);
    ours.set_create_container(shim(super::shim::CONTAINER, create_container));
    let any = ours.create_runtime().is_some() || ours.create_container().is_some();
    spec.set_hooks(any.then_some(ours));
    hooks.start_container().clone().unwrap_or_default()
}

/// Checks a process and changes it, its variables too, which [`crate::launcher`] then puts right.
pub fn adapt_process(process: &mut Process) -> Result<()> {
    if process.args().as_ref().is_none_or(Vec::is_empty) {
        return refuse("process args must not be empty");
    }
    if !process.cwd().is_absolute() {
        return refuse("Cwd must be an absolute path");
    }
    if process.selinux_label().as_ref().is_some_and(|label| !label.is_empty()) {
        return refuse(
            "selinux label is specified in config, but selinux is disabled or not supported",
        );
    }
    // An empty name is none; libcontainer would look for such a profile.
    if process.apparmor_profile().as_ref().is_some_and(String::is_empty) {
        process.set_apparmor_profile(None);
    }
    // Without HOME libcontainer asks NSS from inside the container, which would load its libraries.
    process.set_env(Some(vec!["HOME=/".to_owned()]));
    let capabilities = process.capabilities().clone().unwrap_or_else(none);
    process.set_capabilities(Some(raisable(capabilities)));
    Ok(())
}

/// The kernel lets no capability be ambient that isn't permitted and inheritable; runc asks and shrugs.
fn raisable(mut capabilities: LinuxCapabilities) -> LinuxCapabilities {
    let has = |set: &Option<HashSet<Capability>>, one: &Capability| {
        set.as_ref().is_some_and(|set| set.contains(one))
    };
    let ambient = capabilities.ambient().iter().flatten().copied();
    let (permitted, inheritable) = (capabilities.permitted(), capabilities.inheritable());
    let ambient = ambient.filter(|one| has(permitted, one) && has(inheritable, one)).collect();
    capabilities.set_ambient(Some(ambient));
    capabilities
}

/// The scope that `linux.cgroupsPath` names; without one `runc-<id>.scope` in `system.slice`, as runc has it.
fn scope(path: Option<&Path>, id: &str) -> Result<Scope> {
    let text = path.map_or(Ok(""), |path| path.to_str().ok_or(path.display()));
    let named = match text {
        Ok("") => Scope::new("", "runc", id),
        Ok(text) => Scope::parse(text),
        Err(path) => return refuse(format!("cgroupsPath {path} is no text")),
    };
    named.map_err(|error| OciError::Spec(error.to_string()))
}

/// `linux.cgroupsPath` below every hierarchy's root: a relative one too, and without one the container's id.
fn cgroup(path: Option<&Path>, id: &str) -> Result<PathBuf> {
    let path = path.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(id));
    if path.to_str().is_some_and(|text| text.split(':').count() == 3) {
        return refuse(format!(
            "cgroupsPath {} is one of systemd's: it needs --systemd-cgroup",
            path.display()
        ));
    }
    let mut absolute = PathBuf::from("/");
    for part in path.components() {
        match part {
            std::path::Component::Normal(part) => absolute.push(part),
            std::path::Component::ParentDir => {
                absolute.pop();
            }
            _ => {}
        }
    }
    if absolute.parent().is_none() {
        return refuse("cgroupsPath must not be the root of the hierarchies");
    }
    Ok(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_is_below_the_root() {
        let of = |path: &str| cgroup(Some(Path::new(path)), "id").map_err(|e| e.to_string());
        assert_eq!(of("/a/b").unwrap(), Path::new("/a/b"));
        assert_eq!(of("a/../../b").unwrap(), Path::new("/b"));
        assert_eq!(of("").unwrap(), Path::new("/id"));
        assert_eq!(cgroup(None, "id").unwrap(), Path::new("/id"));
        assert!(of("/").is_err() && of("/a/..").is_err());
        assert!(of("system.slice:crio:id").unwrap_err().contains("--systemd-cgroup"));
    }

    #[test]
    fn a_scope_is_named_by_three_parts() {
        let of = |path: &str| scope(Some(Path::new(path)), "id").map_err(|e| e.to_string());
        let unit = |path: &str| of(path).map(|scope| scope.path());
        assert_eq!(unit("m.slice:libpod:x").unwrap(), Path::new("/m.slice/libpod-x.scope"));
        assert_eq!(unit("").unwrap(), Path::new("/system.slice/runc-id.scope"));
        // In runc's words.
        assert!(of("/a/b").unwrap_err().contains("to be of format \"slice:prefix:name\""));
    }

    #[test]
    fn only_what_the_kernel_takes_is_ambient() {
        let set = |list: &[Capability]| Some(list.iter().copied().collect::<HashSet<_>>());
        let mut all = none();
        all.set_ambient(set(&[Capability::Kill, Capability::Chown, Capability::Fowner]));
        all.set_permitted(set(&[Capability::Kill, Capability::Chown]));
        all.set_inheritable(set(&[Capability::Kill, Capability::Fowner]));
        assert_eq!(raisable(all).ambient(), &set(&[Capability::Kill]));
    }
}

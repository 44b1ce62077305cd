//! The builder: one specification from one request.
//!
//! Whatever libcontainer 0.7 would drop or misread is refused here, so that no option is
//! accepted and ignored.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use isopod_systemd::Scope;
use oci_spec::runtime::{
    Linux, LinuxBuilder, LinuxDevice, LinuxResources, LinuxSeccomp, RootBuilder, Spec,
};

use crate::capabilities::{self, CapabilityError, CapabilitySet};
use crate::devices::{self, DeviceError};
use crate::environment::EnvironmentError;
use crate::host::CgroupLayout;
use crate::mounts::{self, CGROUP, DefaultMounts, MountError};
use crate::namespaces::{self, Namespace, NamespaceError};
use crate::paths::{self, MASKED, PathError, READ_ONLY, SystemPaths};
use crate::process;
use crate::request::{Profile, SpecRequest};
use crate::resources::ResourceError;
use crate::seccomp::profile::{Circumstances, ProfileError};
use crate::seccomp::{self, Seccomp};
use crate::sysctl::{self, SysctlError};
use crate::ulimit::UlimitError;
use crate::users::UserError;

/// The version of the runtime specification that is written: what every peer reads.
const VERSION: &str = "1.0.2";

/// Why no specification can be built.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// Neither image nor request names a command.
    #[error("no command: neither the image nor the request names one")]
    NoCommand,
    /// A word no process can be given.
    #[error("argument {0:?} contains a NUL")]
    Argument(String),
    /// The working directory.
    #[error("working directory is refused")]
    WorkingDirectory(#[source] PathError),
    /// The user or a group.
    #[error(transparent)]
    User(#[from] UserError),
    /// An environment entry.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// A capability.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    /// A namespace or name.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A mount.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// A device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A limit of the cgroup.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// A limit of the process.
    #[error(transparent)]
    Ulimit(#[from] UlimitError),
    /// A kernel parameter.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// A system call filter.
    #[error(transparent)]
    Seccomp(#[from] ProfileError),
    /// The kernel cannot confine as asked.
    #[error("this kernel filters no system calls: ask for an unconfined container explicitly")]
    NoSeccomp,
    /// The kernel cannot confine as asked.
    #[error("AppArmor profile {0:?} is asked for, but AppArmor is off")]
    NoAppArmor(String),
    /// Would break the file it is written to.
    #[error("AppArmor profile name {0:?} is refused")]
    AppArmorName(String),
    /// A list of hidden paths.
    #[error("masked or read-only path is refused")]
    SystemPath(#[source] PathError),
    /// A cgroup that is not below the mount point.
    #[error("cgroup path is refused")]
    CgroupsPath(#[source] PathError),
    /// Outside what the kernel takes.
    #[error("out-of-memory score {0} is outside -1000 to 1000")]
    OomScore(i32),
    /// Only CAP_SYS_RESOURCE lowers it.
    #[error(
        "out-of-memory score {asked} is below the runtime's own {held}, and it lacks CAP_SYS_RESOURCE"
    )]
    OomScoreTooLow {
        /// As asked for.
        asked: i32,
        /// What the runtime has.
        held: i32,
    },
    /// Only this project sets those.
    #[error("annotation {0:?} is reserved or has no name")]
    Annotation(String),
}

/// Builds the specification of a container.
///
/// Reads the root file system for users, and the host for the devices asked for; nothing
/// else. The working directory is not created, and may not exist.
///
/// # Errors
/// See [`SpecError`]: the first thing that cannot be given as asked.
pub fn build(request: &SpecRequest<'_>) -> Result<Spec, SpecError> {
    let security = &request.security;
    let granted = capabilities::grant(
        security.privileged,
        &security.cap_add,
        &security.cap_drop,
        request.host.capabilities,
    )?;
    let (process, annotation) = process::build(request, granted)?;

    let mut spec = Spec::default();
    spec.set_version(VERSION.to_owned());
    spec.set_root(Some(
        RootBuilder::default()
            .path(&request.rootfs)
            .readonly(request.read_only_rootfs)
            .build()
            .expect("no field of this builder is required"),
    ));
    spec.set_process(Some(process));
    let uts = &request.namespaces.uts;
    for (what, name) in [("hostname", &request.hostname), ("domain name", &request.domainname)] {
        if let Some(name) = name {
            namespaces::check_host_name(what, name, uts)?;
        }
    }
    spec.set_hostname(request.hostname.clone());
    spec.set_domainname(request.domainname.clone());
    spec.set_mounts(Some(mounts::assemble(
        mounts::defaults(&DefaultMounts {
            profile: request.profile,
            privileged: security.privileged,
            ipc: &request.namespaces.ipc,
            shared_memory: &request.shared_memory,
            cgroups: &request.host.cgroups,
            shm_size: request.shm_size,
        }),
        &request.files,
        &request.mounts,
        request.host.selinux,
    )?));
    spec.set_annotations(annotations(request, annotation)?);
    spec.set_linux(Some(linux(request, granted, &spec)?));
    Ok(spec)
}

fn linux(
    request: &SpecRequest<'_>,
    granted: CapabilitySet,
    spec: &Spec,
) -> Result<Linux, SpecError> {
    let (device_nodes, resources) = devices_and_resources(request)?;
    let (masked, read_only) = system_paths(request, spec)?;
    let mut linux = LinuxBuilder::default()
        .namespaces(request.namespaces.to_oci()?)
        .resources(resources)
        .masked_paths(masked)
        .readonly_paths(read_only)
        .rootfs_propagation(mounts::propagation(&request.mounts)?.name())
        .build()
        .expect("no field of this builder is required");
    linux.set_devices((!device_nodes.is_empty()).then_some(device_nodes));
    linux.set_seccomp(seccomp_filter(request, granted)?);
    linux.set_cgroups_path(cgroups_path(request)?);
    let sysctls = sysctls(request)?;
    linux.set_sysctl((!sysctls.is_empty()).then_some(sysctls));
    Ok(linux)
}

fn devices_and_resources(
    request: &SpecRequest<'_>,
) -> Result<(Vec<LinuxDevice>, LinuxResources), SpecError> {
    let privileged = request.security.privileged;
    let mut nodes = if privileged { devices::all_of_the_host()? } else { Vec::new() };
    let mut rules = vec![devices::first_rule(privileged)];
    for device in &request.devices {
        for (node, rule) in device.resolve()? {
            nodes.retain(|earlier| earlier.path() != node.path());
            nodes.push(node);
            rules.push(rule);
        }
    }
    rules.extend(request.device_cgroup_rules.iter().cloned());
    Ok((nodes, request.resources.to_oci(rules, request.host)?))
}

/// Masked and read-only paths. Where cgroups have version 1, libcontainer mounts each
/// controller for writing whatever the mount says; they are made read-only afterwards, or
/// root in the container would raise its own limits (security.md, row 22).
fn system_paths(
    request: &SpecRequest<'_>,
    spec: &Spec,
) -> Result<(Vec<String>, Vec<String>), SpecError> {
    let owned = |list: &[&str]| list.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let (masked, mut read_only) = match &request.security.system_paths {
        SystemPaths::Custom { masked, read_only } => {
            for path in masked.iter().chain(read_only) {
                paths::destination(path.as_ref()).map_err(SpecError::SystemPath)?;
            }
            (masked.clone(), read_only.clone())
        }
        SystemPaths::Default if !request.security.privileged => (owned(&MASKED), owned(&READ_ONLY)),
        SystemPaths::Default | SystemPaths::Unconfined => (Vec::new(), Vec::new()),
    };
    let mounted = spec.mounts().iter().flatten().any(|m| m.typ().as_deref() == Some("cgroup"));
    if let (CgroupLayout::V1(places), true, false) =
        (&request.host.cgroups, mounted, request.security.privileged)
    {
        read_only.push(CGROUP.to_owned());
        let names = places.iter().filter_map(|place| place.file_name()?.to_str());
        read_only.extend(names.map(|name| format!("{CGROUP}/{name}")));
    }
    Ok((masked, read_only))
}

fn seccomp_filter(
    request: &SpecRequest<'_>,
    granted: CapabilitySet,
) -> Result<Option<LinuxSeccomp>, SpecError> {
    let host = request.host;
    let filter = match &request.security.seccomp {
        Seccomp::Unconfined => return Ok(None),
        Seccomp::Default if request.security.privileged => return Ok(None),
        Seccomp::Default => seccomp::default_filter(granted, host.machine),
        Seccomp::Profile(document) => {
            let (machine, kernel) = (host.machine, host.kernel);
            seccomp::profile::compile(document, &Circumstances { granted, machine, kernel })?
        }
    };
    if host.seccomp { Ok(Some(filter)) } else { Err(SpecError::NoSeccomp) }
}

fn cgroups_path(request: &SpecRequest<'_>) -> Result<Option<PathBuf>, SpecError> {
    let path = request.cgroups_path.as_deref();
    if path.and_then(Path::to_str).is_some_and(Scope::is_meant) {
        return Ok(path.map(PathBuf::from));
    }
    path.map(paths::image_destination).transpose().map_err(SpecError::CgroupsPath)
}

fn sysctls(request: &SpecRequest<'_>) -> Result<HashMap<String, String>, SpecError> {
    let mut sysctls = HashMap::new();
    if request.profile == Profile::Docker && request.namespaces.network == Namespace::New {
        sysctls.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
        sysctls.insert("net.ipv4.ping_group_range".to_owned(), "0 2147483647".to_owned());
    }
    sysctls.extend(sysctl::check(&request.sysctls, &request.namespaces)?);
    Ok(sysctls)
}

fn annotations(
    request: &SpecRequest<'_>,
    own: Option<(String, String)>,
) -> Result<Option<HashMap<String, String>>, SpecError> {
    let mut annotations = HashMap::new();
    for (key, value) in &request.annotations {
        if key.is_empty() || key.contains('\0') || is_steering(key) {
            return Err(SpecError::Annotation(key.clone()));
        }
        annotations.insert(key.clone(), value.clone());
    }
    annotations.extend(own);
    Ok((!annotations.is_empty()).then_some(annotations))
}

/// A request may carry an orchestrator's annotations, but not those that steer a runtime:
/// what they would set has options of its own that are checked (security.md, row 20).
fn is_steering(key: &str) -> bool {
    const PREFIXES: [&str; 4] = ["isopod.", "org.criu.", "org.systemd.property.", "run.oci."];
    PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

#[cfg(test)]
mod tests;

//! From a container's record to its OCI specification: settings become a request of isopod-spec,
//! which knows what may be asked for.

use std::path::{Path, PathBuf};

use isopod_image::config::ContainerConfig;
use isopod_monitor_protocol::filter::{Filter, Instruction};
use isopod_monitor_protocol::state;
use isopod_spec::devices::{self, DeviceRequest};
use isopod_spec::mounts::{self, Access, MountKind, Propagation};
use isopod_spec::paths::{SystemPaths, clean};
use isopod_spec::request::{ProcessRequest, Security};
use isopod_spec::resources::Swap;
use isopod_spec::seccomp::{Machine, bpf};
use isopod_spec::signal;
use isopod_spec::{
    ExecRequest, Host, SpecRequest, image_claims, namespaces, request, sysctl, ulimit,
};
use isopod_sys::root::Root;
use oci_spec::runtime::{LinuxNamespaceType, LinuxResources, Process, Spec};
use rustix::fs::{Mode, OFlags};

use super::apparmor;
use super::exec::ExecOptions;
use super::files::FILES;
use super::network::Places;
use super::record::Record;
use super::settings::{AppArmor, Mount, Namespace, Network, Profile, Resources, Seccomp};
use super::{Container, Settings, users};
use crate::error::words;
use crate::{Error, Result};

/// Refuses at creation what would fail at every start, as far as that can be told without the
/// image's root: an empty one stands in, and the user is looked up later.
pub(super) fn check(id: &str, record: &Record) -> Result<()> {
    let root = Root::open(Path::new("/proc/self/fdinfo"))
        .map_err(Error::io("cannot open", Path::new("/proc/self/fdinfo")))?;
    if let Some(signal) = record.settings.stop_signal.as_deref() {
        signal::parse(signal).map_err(|error| Error::Invalid(error.to_string()))?;
    }
    super::health::check(&record.settings.health)?;
    super::binds::check_places(&record.settings.mounts)?;
    super::binds::check_sources(&record.settings.mounts)?;
    let host = host_for(&record.settings)?;
    check_processors(record.settings.resources.nano_cpus, &host)?;
    let image = image_config(record);
    let rootfs = Path::new("/nowhere");
    let mut request = request(record, image.as_ref(), &root, &host, rootfs)?;
    request.process.user = Some("0:0".to_owned());
    request.process.group_add.clear();
    request.hostname = record.settings.hostname.clone();
    for volume in &record.volumes {
        let kind = MountKind::Bind { source: PathBuf::from("/nowhere"), recursive: true };
        request.mounts.push(mount(kind, &volume.destination, &volume.options)?);
    }
    for image in &record.images {
        request.mounts.push(super::parts::image_mount(image, PathBuf::from("/nowhere"))?);
    }
    request.cgroups_path = Some(PathBuf::from(format!("/check/{id}")));
    filter(&isopod_spec::build(&request)?).map(drop)
}

/// More processors than there are is a slip of the keyboard. Only creation and update look, as with docker:
/// a container that was made on a larger machine still starts on a smaller one.
fn check_processors(asked: Option<u64>, host: &Host) -> Result<()> {
    let Some((asked, online)) = asked.zip(host.online_processors()) else { return Ok(()) };
    if asked <= online.saturating_mul(1_000_000_000) {
        return Ok(());
    }
    #[expect(clippy::cast_precision_loss, reason = "shown only")]
    let asked = asked as f64 / 1e9;
    Err(Error::Invalid(format!(
        "{asked} processors are more than there are: give 0.01 to {online}.00"
    )))
}

/// The specification of the next start; `root` is the root file system to look users up in.
pub(super) fn build(container: &Container<'_>, root: &Root, places: &Places<'_>) -> Result<Spec> {
    let record = &container.record;
    super::binds::make_sources(&record.settings.mounts)?;
    let host = host_for(&record.settings)?;
    let rootfs = container.state().join(state::ROOTFS);
    let image = image_config(record);
    let mut request = request(record, image.as_ref(), root, &host, &rootfs)?;
    request.hostname = match places {
        // Whoever lives in another's network goes by its name, as in docker.
        Places::Shared { owner, .. } if record.settings.namespaces.uts == Namespace::Private => {
            owner.hostname()
        }
        _ => container.hostname(),
    };
    let own = &record.settings.namespaces;
    // The monitor is handed them.
    for (asked, namespace, name) in [
        (&own.pid, &mut request.namespaces.pid, state::PID_NAMESPACE),
        (&own.ipc, &mut request.namespaces.ipc, state::IPC_NAMESPACE),
        (&own.uts, &mut request.namespaces.uts, state::UTS_NAMESPACE),
    ] {
        if let Namespace::Container(_) = asked {
            *namespace = namespaces::Namespace::Shared(container.state().join(name));
        }
    }
    request.cgroups_path = Some(container.cgroups_path());
    if record.settings.profile == Profile::Docker {
        let folder = match places {
            Places::Shared { owner, .. } if owner.settings().profile == Profile::Docker => {
                owner.data()
            }
            _ => container.data(),
        };
        let place = |(name, target): &(&str, &str)| (folder.join(name), target.into());
        request.files = FILES.iter().map(place).collect();
    } else if record.settings.network == Network::Host {
        // ctr's --net-host shows the host's own files.
        let place = |path: &str| (PathBuf::from(path), PathBuf::from(path));
        request.files = ["/etc/hosts", "/etc/resolv.conf"].map(place).to_vec();
    }
    super::binds::check_kinds(&record.settings.mounts, root)?;
    container.request_parts(&mut request)?;
    let mut spec = isopod_spec::build(&request)?;
    if !matches!(places, Places::None) {
        join_network(&mut spec, container.state().join(state::NETWORK_NAMESPACE));
    }
    if let Some(users) = record.settings.user_namespace() {
        users::join(&mut spec, users, container.state().join(state::USER_NAMESPACE))?;
    }
    if record.settings.init {
        run_by_init(&mut spec);
    }
    Ok(spec)
}

/// Stands for a namespace that is looked up when it is needed.
const NOBODYS: &str = "/proc/self/ns/of-another-container";

/// Where docker has it.
pub(super) const INIT: &str = "/sbin/docker-init";

/// Has the init start what would have been the first process.
fn run_by_init(spec: &mut Spec) {
    let Some(mut process) = spec.process().clone() else { return };
    let mut args = vec![INIT.to_owned(), "--".to_owned()];
    args.extend(process.args().clone().unwrap_or_default());
    process.set_args(Some(args));
    spec.set_process(Some(process));
}

/// Has the container join the network namespace that the monitor is handed, rather than make one.
fn join_network(spec: &mut Spec, path: PathBuf) {
    let linux = spec.linux_mut().as_mut();
    let namespaces = linux.and_then(|linux| linux.namespaces_mut().as_mut());
    let mut all = namespaces.into_iter().flatten();
    if let Some(network) = all.find(|one| one.typ() == LinuxNamespaceType::Network) {
        network.set_path(Some(path));
    }
}

/// The filter of `spec`, ready for the kernel.
pub(super) fn filter(spec: &Spec) -> Result<Option<Filter>> {
    let filter = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    let Some(filter) = filter else { return Ok(None) };
    let program = bpf::assemble(filter, Machine::BUILT_FOR).map_err(invalid)?;
    let instruction = |i: &isopod_sys::seccomp::Instruction| Instruction {
        code: i.code,
        jt: i.jt,
        jf: i.jf,
        k: i.k,
    };
    let instructions = program.instructions.iter().map(instruction).collect();
    Ok(Some(Filter { flags: program.flags, instructions }))
}

/// The process of an exec into a running container, whose own root is looked into.
pub(super) fn exec_process(
    container: &Container<'_>,
    pid: i32,
    options: &ExecOptions,
) -> Result<Process> {
    let path = PathBuf::from(format!("/proc/{pid}/root"));
    let root = Root::open(&path).map_err(Error::io("cannot look into", &path))?;
    if let Some(folder) = &options.working_dir {
        // libcontainer fails at it without saying where.
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        root.open_path(Path::new(folder), flags, Mode::empty()).map_err(|error| {
            let name = container.name();
            Error::CommandNotExecutable(format!(
                "{folder} in container {name} is no working directory: {error}"
            ))
        })?;
    }
    let spec = container.spec()?.ok_or_else(|| Error::Corrupt {
        path: container.data(),
        detail: "a running container has no specification".to_owned(),
    })?;
    process_like(&spec, &root, options)
}

/// Another process in the container of `spec`, whose root is `root`.
pub(super) fn process_like(spec: &Spec, root: &Root, options: &ExecOptions) -> Result<Process> {
    let request = ExecRequest {
        args: options.args.clone(),
        env: options.env.clone(),
        cwd: options.working_dir.as_ref().map(PathBuf::from),
        user: options.user.clone(),
        group_add: options.group_add.clone(),
        terminal: options.terminal,
        privileged: options.privileged,
        cap_add: Vec::new(),
        held: host()?.capabilities,
    };
    Ok(isopod_spec::exec_process(spec, root, &request)?)
}

/// Where an image asks for volumes.
pub(super) fn image_volumes(image: &ContainerConfig) -> Result<Vec<String>> {
    let places = image_claims::volumes(image)
        .map_err(|error| Error::Invalid(format!("the image's volumes can't be used: {error}")))?;
    Ok(places.into_iter().map(|path| path.to_string_lossy().into_owned()).collect())
}

/// Whether two paths in a container are the same place by their words.
pub(super) fn same_place(one: &str, other: &str) -> bool {
    match (clean(Path::new(one)), clean(Path::new(other))) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn host() -> Result<Host> {
    Ok(Host::detect()?)
}

/// With what a container of these settings needs of AppArmor.
fn host_for(settings: &Settings) -> Result<Host> {
    let mut host = host()?;
    if !host.apparmor {
        return Ok(host);
    }
    match &settings.apparmor {
        AppArmor::Default if !settings.privileged => {
            host.default_apparmor = apparmor::default_profile()?;
        }
        AppArmor::Named(name) => apparmor::check_loaded(name)?,
        AppArmor::Default | AppArmor::Unconfined => {}
    }
    Ok(host)
}

fn image_config(record: &Record) -> Option<ContainerConfig> {
    record.image.as_ref().map(|image| image.config.clone())
}

fn request<'r>(
    record: &'r Record,
    image: Option<&'r ContainerConfig>,
    root: &'r Root,
    host: &'r Host,
    rootfs: &Path,
) -> Result<SpecRequest<'r>> {
    static NO_IMAGE: std::sync::LazyLock<ContainerConfig> =
        std::sync::LazyLock::new(ContainerConfig::default);
    let settings = &record.settings;
    let profile = match settings.profile {
        Profile::Docker => request::Profile::Docker,
        Profile::Ctr => request::Profile::Ctr,
    };
    let mut request = SpecRequest::new(image.unwrap_or(&NO_IMAGE), root, rootfs, host, profile);
    request.read_only_rootfs = settings.read_only;
    request.process = process(settings);
    request.security = security(settings);
    request.namespaces = namespaces(settings)?;
    request.domainname.clone_from(&settings.domainname);
    for one in &settings.mounts {
        request.mounts.extend(request_mount(one)?);
    }
    request.shm_size = settings.shm_size;
    for text in &settings.devices {
        request.devices.push(DeviceRequest::parse(text).map_err(invalid)?);
    }
    for text in &settings.resources.device_cgroup_rules {
        request.device_cgroup_rules.push(devices::parse_rule(text).map_err(invalid)?);
    }
    request.resources = resources(&settings.resources)?;
    for text in &settings.ulimits {
        request.ulimits.push(ulimit::parse(text).map_err(invalid)?);
    }
    for text in &settings.sysctls {
        request.sysctls.push(sysctl::parse(text).map_err(invalid)?);
    }
    request.oom_score_adj = settings.oom_score_adj;
    let annotation = |(key, value): (&String, &String)| (key.clone(), value.clone());
    request.annotations = settings.annotations.iter().map(annotation).collect();
    Ok(request)
}

fn invalid(error: impl std::error::Error) -> Error {
    Error::Invalid(words(&error))
}

fn process(settings: &Settings) -> ProcessRequest {
    ProcessRequest {
        entrypoint: settings.entrypoint.clone(),
        args: settings.command.clone(),
        env: settings.env.clone(),
        cwd: settings.working_dir.as_ref().map(PathBuf::from),
        user: settings.user.clone(),
        group_add: settings.group_add.clone(),
        terminal: settings.terminal,
    }
}

fn security(settings: &Settings) -> Security {
    Security {
        privileged: settings.privileged,
        cap_add: settings.cap_add.clone(),
        cap_drop: settings.cap_drop.clone(),
        no_new_privileges: settings.no_new_privileges,
        seccomp: match &settings.seccomp {
            Seccomp::Default => isopod_spec::seccomp::Seccomp::Default,
            Seccomp::Unconfined => isopod_spec::seccomp::Seccomp::Unconfined,
            Seccomp::Profile(text) => {
                isopod_spec::seccomp::Seccomp::Profile(text.clone().into_bytes())
            }
        },
        apparmor: match &settings.apparmor {
            AppArmor::Default => request::AppArmor::Default,
            AppArmor::Unconfined => request::AppArmor::Unconfined,
            AppArmor::Named(name) => request::AppArmor::Named(name.clone()),
        },
        system_paths: match settings.unconfined_paths {
            true => SystemPaths::Unconfined,
            false => SystemPaths::Default,
        },
    }
}

fn namespaces(settings: &Settings) -> Result<namespaces::Namespaces> {
    let one = |namespace: &Namespace| {
        match namespace {
            Namespace::Private => namespaces::Namespace::New,
            Namespace::Host => namespaces::Namespace::Host,
            Namespace::Path(path) => namespaces::Namespace::Path(path.clone()),
            // Replaced by the container's own at each start.
            Namespace::Container(_) => namespaces::Namespace::Shared(PathBuf::from(NOBODYS)),
        }
    };
    Ok(namespaces::Namespaces {
        network: match &settings.network {
            Network::None => namespaces::Namespace::New,
            Network::Host => namespaces::Namespace::Host,
            Network::Namespace(path) => namespaces::Namespace::Path(path.clone()),
            // Of their own as far as sysctls go; a start puts in which one is joined.
            Network::Networks(_) => namespaces::Namespace::New,
            Network::Container(id) => {
                namespaces::Namespace::Shared(Path::new("/containers").join(id))
            }
        },
        ipc: one(&settings.namespaces.ipc),
        pid: one(&settings.namespaces.pid),
        uts: one(&settings.namespaces.uts),
        cgroup: one(&settings.namespaces.cgroup),
        ..namespaces::Namespaces::default()
    })
}

/// Volumes and images become binds later, when their folders are known.
fn request_mount(one: &Mount) -> Result<Option<mounts::Mount>> {
    let (kind, destination, options) = match one {
        Mount::Volume { .. } | Mount::Image { .. } => return Ok(None),
        Mount::Bind { source, destination, options, .. } => {
            let recursive = !options.iter().any(|option| option == "bind");
            (MountKind::Bind { source: source.clone(), recursive }, destination, options)
        }
        Mount::Tmpfs { destination, options } => (MountKind::Tmpfs, destination, options),
        Mount::Other { fs_type, source, destination, options } => {
            let kind = MountKind::Kernel { kind: fs_type.clone(), source: source.clone() };
            (kind, destination, options)
        }
    };
    mount(kind, destination, options).map(Some)
}

/// Sorts words of mount(8) into what isopod-spec tells apart.
pub(crate) fn mount(
    kind: MountKind,
    destination: &str,
    options: &[String],
) -> Result<mounts::Mount> {
    let is_tmpfs = matches!(kind, MountKind::Tmpfs);
    let mut mount = mounts::Mount { kind, ..mounts::Mount::tmpfs(destination) };
    if !is_tmpfs {
        mount.options.clear();
    }
    for word in options {
        match word.as_str() {
            "bind" | "rbind" => {}
            "rw" => mount.access = Access::ReadWrite,
            "ro" => mount.access = Access::ReadOnlyRecursive,
            "z" | "Z" => mount.relabel = true,
            word if Propagation::parse(word).is_some() => {
                mount.propagation = Propagation::parse(word);
            }
            word if is_tmpfs => override_option(&mut mount.options, word),
            word => mount.options.push(word.to_owned()),
        }
    }
    Ok(mount)
}

/// `exec` replaces the `noexec` that a tmpfs has by default, and the reverse.
fn override_option(options: &mut Vec<String>, word: &str) {
    let opposite = match word.strip_prefix("no") {
        Some(positive) => positive.to_owned(),
        None => format!("no{word}"),
    };
    options.retain(|option| *option != opposite && option != word);
    options.push(word.to_owned());
}

/// The limits in the specification's form, without rules for devices.
pub(super) fn limits(of: &Resources) -> Result<LinuxResources> {
    let host = host()?;
    resources(of)?.to_oci(Vec::new(), &host).map_err(invalid)
}

fn resources(resources: &Resources) -> Result<isopod_spec::resources::Resources> {
    let bytes = |value: Option<i64>, what: &str| -> Result<Option<u64>> {
        value
            .map(u64::try_from)
            .transpose()
            .map_err(|_| Error::Invalid(format!("{what} can't be negative")))
    };
    Ok(isopod_spec::resources::Resources {
        memory: bytes(resources.memory, "memory")?,
        memory_swap: match resources.memory_swap {
            None | Some(0) => Swap::Default,
            Some(-1) => Swap::Unlimited,
            total => bytes(total, "memory and swap")?.map_or(Swap::Default, Swap::Total),
        },
        memory_reservation: bytes(resources.memory_reservation, "memory reservation")?,
        memory_swappiness: resources.memory_swappiness,
        oom_kill_disable: resources.oom_kill_disable,
        nano_cpus: resources.nano_cpus,
        cpu_shares: resources.cpu_shares,
        cpu_period: resources.cpu_period,
        cpu_quota: resources.cpu_quota,
        cpuset_cpus: resources.cpuset_cpus.clone(),
        cpuset_mems: resources.cpuset_mems.clone(),
        pids_limit: resources.pids_limit,
        blkio_weight: resources.blkio_weight,
        hugetlb: Vec::new(),
        unified: resources.unified.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
    })
}

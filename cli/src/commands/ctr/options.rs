//! The options that `run` and `containers create` share, as ctr spells them, and what the
//! library makes of them.

use std::path::{Path, PathBuf};

use isopod_runtime::container::{
    AppArmor, Container, CreateOptions, ImageSource, LogConfig, Mount, Namespace, Network, Profile,
    Resources, Seccomp, Settings,
};
use isopod_spec::quantity;

use super::{images, labels};
use crate::commands::environment;
use crate::context::Context;
use crate::error::Error;

/// How the container is made.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Working directory of the process
    #[arg(long, value_name = "PATH")]
    cwd: Option<String>,
    /// Set a variable (NAME=VALUE)
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Read variables from a file, one a line
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Label of the container (KEY=VALUE)
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// OCI annotation (KEY=VALUE)
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Mount something (type=bind,src=/tmp,dst=/host,options=rbind:ro)
    #[arg(long, value_name = "MOUNT")]
    mount: Vec<String>,
    /// Use the host's network
    #[arg(long)]
    net_host: bool,
    /// Give the container every right and device
    #[arg(long)]
    privileged: bool,
    /// Mount the root file system read-only
    #[arg(long)]
    read_only: bool,
    /// Give the container a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Join a namespace (TYPE:PATH)
    #[arg(long, value_name = "TYPE:PATH")]
    with_ns: Vec<String>,
    /// Write the process's id to a file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Let programs gain rights (set-user-id)
    #[arg(long)]
    allow_new_privs: bool,
    /// Most memory, in bytes
    #[arg(long, value_name = "BYTES")]
    memory_limit: Option<i64>,
    /// Add a Linux capability, with CAP_ before its name
    #[arg(long, value_name = "CAP")]
    cap_add: Vec<String>,
    /// Drop a Linux capability, with CAP_ before its name
    #[arg(long, value_name = "CAP")]
    cap_drop: Vec<String>,
    /// Enable the default seccomp profile (always so)
    #[arg(long)]
    seccomp: bool,
    /// A seccomp profile of one's own; needs --seccomp
    #[arg(long, value_name = "FILE", requires = "seccomp")]
    seccomp_profile: Option<PathBuf>,
    /// An AppArmor profile that is loaded
    #[arg(long, value_name = "NAME")]
    apparmor_profile: Option<String>,
    /// The container's host name
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// User, and group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// The first argument is a folder, not an image
    #[arg(long)]
    rootfs: bool,
    /// Microseconds of CPU in each period
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    cpu_quota: Option<i64>,
    /// Period of the CPU quota in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<u64>,
    /// Propagation of the root mount
    #[arg(long, value_name = "MODE")]
    rootfs_propagation: Option<String>,
    /// Give the container a device of the host
    #[arg(long, value_name = "PATH")]
    device: Vec<String>,
    /// Number of CPUs, as in 1.5
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<String>,
    /// Weight among containers that compete for the CPU
    #[arg(long, value_name = "SHARES")]
    cpu_shares: Option<u64>,
    /// CPUs that may be used
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes that may be used
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Limit of open files
    #[arg(long, value_name = "NUMBER")]
    rlimit_nofile: Option<u64>,
    /// Platform of the image
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
}

/// What else the two commands say about a container.
#[derive(Debug, Clone, Copy, Default)]
pub struct Life {
    /// Standard input stays open.
    pub open_stdin: bool,
    /// Until the first session that fed it leaves.
    pub stdin_once: bool,
    /// It goes when it ends.
    pub auto_remove: bool,
}

impl Options {
    /// Creates the container called `id` from an image or folder.
    ///
    /// # Errors
    /// Whatever was asked for that can't be.
    pub fn create<'a>(
        &self,
        context: &'a Context,
        command_line: &[String],
        life: Life,
    ) -> Result<Container<'a>, Error> {
        let [source, id, command @ ..] = command_line else {
            return Err(Error::Argument("both an image and a container id are needed".to_owned()));
        };
        let settings = Settings {
            open_stdin: life.open_stdin,
            stdin_once: life.stdin_once,
            ..self.settings(command)?
        };
        let source = match self.rootfs {
            true => ImageSource::Rootfs(PathBuf::from(source)),
            false => {
                let image = context.runtime()?.images().get(source)?;
                ImageSource::Image(Box::new(image), images::platform(self.platform.as_deref())?)
            }
        };
        Ok(context.containers()?.create(CreateOptions {
            id: Some(id.clone()),
            name: None,
            generate_name: false,
            source,
            labels: labels::new(&self.label)?,
            settings,
            log: LogConfig::None,
            asked: None,
            auto_remove: life.auto_remove,
        })?)
    }

    fn settings(&self, command: &[String]) -> Result<Settings, Error> {
        let mut settings = Settings {
            profile: Profile::Ctr,
            command: command.to_vec(),
            working_dir: self.cwd.clone(),
            user: self.user.clone(),
            terminal: self.tty,
            hostname: self.hostname.clone(),
            privileged: self.privileged,
            no_new_privileges: !self.allow_new_privs,
            cap_add: self.cap_add.clone(),
            cap_drop: self.cap_drop.clone(),
            seccomp: self.seccomp()?,
            apparmor: match &self.apparmor_profile {
                Some(name) => AppArmor::Named(name.clone()),
                None => AppArmor::Default,
            },
            read_only: self.read_only,
            devices: self.device.clone(),
            resources: self.resources()?,
            ulimits: self.rlimit_nofile.map(|n| format!("nofile={n}")).into_iter().collect(),
            network: Network::None,
            annotations: environment::pairs("--annotation", &self.annotation)?,
            rootfs_propagation: self.rootfs_propagation.clone(),
            ..Settings::default()
        };
        for text in &self.mount {
            settings.mounts.push(mount(text)?);
        }
        if self.net_host {
            share_network(&mut settings);
        }
        settings.env.extend(environment::from_files(&self.env_file)?);
        settings.env.extend(self.env.iter().cloned());
        for text in &self.with_ns {
            join(text, &mut settings)?;
        }
        Ok(settings)
    }

    fn seccomp(&self) -> Result<Seccomp, Error> {
        let Some(path) = &self.seccomp_profile else { return Ok(Seccomp::Default) };
        let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
        Ok(Seccomp::Profile(text))
    }

    fn resources(&self) -> Result<Resources, Error> {
        let nano_cpus = self.cpus.as_deref().map(quantity::nano_cpus).transpose();
        Ok(Resources {
            memory: self.memory_limit,
            nano_cpus: nano_cpus.map_err(Error::argument)?,
            cpu_shares: self.cpu_shares,
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
            ..Resources::default()
        })
    }
}

/// ctr's `--net-host`: the namespace, the host's files about names, and its own name.
fn share_network(settings: &mut Settings) {
    settings.network = Network::Host;
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    settings.env.insert(0, format!("HOSTNAME={name}"));
    for path in ["/etc/hosts", "/etc/resolv.conf"] {
        let taken = settings.mounts.iter().any(|mount| mount.destination() == path);
        if Path::new(path).exists() && !taken {
            settings.mounts.push(Mount::Bind {
                source: PathBuf::from(path),
                destination: path.to_owned(),
                options: vec!["ro".to_owned()],
                create_source: false,
            });
        }
    }
}

/// `--with-ns TYPE:PATH`, in the names of the OCI specification.
fn join(text: &str, settings: &mut Settings) -> Result<(), Error> {
    let error = |reason: &str| Error::Value {
        what: "--with-ns",
        value: text.to_owned(),
        reason: reason.to_owned(),
    };
    let (kind, path) = text.split_once(':').ok_or_else(|| error("give TYPE:PATH"))?;
    if !path.starts_with('/') {
        return Err(error("the path is not absolute"));
    }
    let namespace = Namespace::Path(PathBuf::from(path));
    match kind {
        "network" => settings.network = Network::Namespace(PathBuf::from(path)),
        "pid" => settings.namespaces.pid = namespace,
        "ipc" => settings.namespaces.ipc = namespace,
        "uts" => settings.namespaces.uts = namespace,
        "cgroup" => settings.namespaces.cgroup = namespace,
        "mount" | "user" => return Err(error("joining such a namespace is not supported")),
        _ => return Err(error("types are network, pid, ipc, uts and cgroup")),
    }
    Ok(())
}

/// `--mount type=…,src=…,dst=…,options=a:b`.
fn mount(text: &str) -> Result<Mount, Error> {
    let error = |reason: String| Error::Value { what: "--mount", value: text.to_owned(), reason };
    let (mut kind, mut source, mut destination) = (None, None, None);
    let mut options = Vec::new();
    for field in text.split(',') {
        let (key, value) =
            field.split_once('=').ok_or_else(|| error(format!("{field} has no value")))?;
        match key {
            "type" => kind = Some(value),
            "source" | "src" => source = Some(value),
            "destination" | "dst" => destination = Some(value.to_owned()),
            "options" => options.extend(value.split(':').map(ToOwned::to_owned)),
            _ => return Err(error(format!("{key:?} is no field of it"))),
        }
    }
    let destination = destination
        .filter(|path| path.starts_with('/'))
        .ok_or_else(|| error("it has no absolute destination".to_owned()))?;
    match (kind, source) {
        (Some("bind"), Some(source)) if source.starts_with('/') => Ok(Mount::Bind {
            source: PathBuf::from(source),
            destination,
            options,
            create_source: false,
        }),
        (Some("bind"), _) => Err(error("the source of a bind is an absolute path".to_owned())),
        (Some("tmpfs"), _) => Ok(Mount::Tmpfs { destination, options }),
        (Some(fs_type), source) => Ok(Mount::Other {
            fs_type: fs_type.to_owned(),
            source: source.unwrap_or(fs_type).to_owned(),
            destination,
            options,
        }),
        (None, _) => Err(error("it has no type".to_owned())),
    }
}

/// Writes a process's id, as ctr does: no line feed.
///
/// # Errors
/// The file can't be written.
pub fn write_pid(path: &Path, pid: i32) -> Result<(), Error> {
    std::fs::write(path, pid.to_string()).map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_as_ctr_reads_them() {
        assert_eq!(
            mount("type=bind,src=/tmp,dst=/host,options=rbind:ro").unwrap(),
            Mount::Bind {
                source: "/tmp".into(),
                destination: "/host".into(),
                options: vec!["rbind".into(), "ro".into()],
                create_source: false,
            }
        );
        for wrong in
            ["type=bind,dst=/x", "src=/a,dst=/b", "type=tmpfs", "type=bind,x=y,dst=/x", "ro"]
        {
            assert!(mount(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_default_is_confined_and_gains_no_rights() {
        let settings = Options::default().settings(&[]).unwrap();
        assert!(settings.no_new_privileges);
        assert_eq!(settings.seccomp, Seccomp::Default);
        assert_eq!(settings.network, Network::None);
        let options = Options { allow_new_privs: true, net_host: true, ..Options::default() };
        let settings = options.settings(&["true".to_owned()]).unwrap();
        assert!(!settings.no_new_privileges);
        assert_eq!(settings.network, Network::Host);
        assert!(settings.mounts.iter().any(|mount| mount.destination() == "/etc/hosts"));
    }

    #[test]
    fn namespaces_are_joined_by_type_and_path() {
        let mut settings = Settings::default();
        join("pid:/proc/1/ns/pid", &mut settings).unwrap();
        assert_eq!(settings.namespaces.pid, Namespace::Path("/proc/1/ns/pid".into()));
        for wrong in ["pid", "pid:relative", "user:/proc/1/ns/user", "time:/x"] {
            assert!(join(wrong, &mut settings).is_err(), "{wrong}");
        }
    }
}

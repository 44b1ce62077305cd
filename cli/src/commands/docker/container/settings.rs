//! From docker's options to what the library creates.

use isopod_runtime::container::{
    Namespace, Namespaces, Profile, Resources, Restart, Settings, SharedMemory, Streams, Users,
};
use isopod_spec::quantity;

use super::options::Options;
use super::{lifecycle, mounts, networking, security};
use crate::commands::environment;
use crate::error::Error;

/// What the library needs to know of `options` and the command after the image.
///
/// # Errors
/// A value that can't be meant, or means what this release does not have.
pub fn settings(options: &Options, command: &[String]) -> Result<Settings, Error> {
    let mut settings = Settings {
        profile: Profile::Docker,
        entrypoint: options.entrypoint.as_deref().map(|program| match program {
            "" => Vec::new(),
            program => vec![program.to_owned()],
        }),
        command: command.to_vec(),
        env: environment::variables(&options.env_file, &options.env)?,
        working_dir: options.workdir.clone(),
        user: options.user.clone(),
        group_add: options.group_add.clone(),
        terminal: options.tty,
        open_stdin: options.interactive,
        hostname: options.hostname.clone(),
        domainname: options.domainname.clone(),
        privileged: options.privileged,
        cap_add: options.cap_add.clone(),
        cap_drop: options.cap_drop.clone(),
        read_only: options.read_only,
        shared_memory: match options.ipc.as_deref() {
            Some("shareable") => SharedMemory::Shareable,
            Some("none") => SharedMemory::None,
            _ => SharedMemory::Private,
        },
        shm_size: bytes("--shm-size", options.shm_size.as_deref())?,
        devices: options.device.clone(),
        resources: resources(options)?,
        ulimits: options.ulimit.clone(),
        sysctls: options.sysctl.clone(),
        namespaces: namespaces(options)?,
        users: users(options.userns.as_deref())?,
        restart: lifecycle::restart(options.restart.as_deref())?,
        health: lifecycle::health(options)?,
        oom_score_adj: options.oom_score_adj,
        annotations: environment::pairs("--annotation", &options.annotation)?,
        stop_signal: options.stop_signal.clone(),
        stop_timeout: stop_timeout(options.stop_timeout)?,
        volumes_from: options.volumes_from.clone(),
        cgroup_parent: options.cgroup_parent.clone(),
        init: options.init,
        ..Settings::default()
    };
    if options.rm && settings.restart != Restart::No {
        return Err(Error::Argument("--restart and --rm exclude each other".to_owned()));
    }
    for text in &options.volume {
        settings.mounts.push(mounts::volume(text)?);
    }
    for text in &options.mount {
        settings.mounts.push(mounts::mount(text)?);
    }
    for text in &options.tmpfs {
        settings.mounts.push(mounts::tmpfs(text)?);
    }
    security::apply(&options.security_opt, &mut settings)?;
    networking::apply(&options.networking, &mut settings)?;
    Ok(settings)
}

/// Which streams `--attach` names; standard input only where it is open.
///
/// # Errors
/// A stream that is none.
pub fn streams(attach: &[String], interactive: bool) -> Result<Streams, Error> {
    if attach.is_empty() {
        return Ok(Streams { stdin: interactive, stdout: true, stderr: true });
    }
    let mut streams = Streams::default();
    for name in attach {
        match name.to_ascii_lowercase().as_str() {
            "stdin" => streams.stdin = true,
            "stdout" => streams.stdout = true,
            "stderr" => streams.stderr = true,
            _ => {
                return Err(Error::Value {
                    what: "--attach",
                    value: name.clone(),
                    reason: "streams are stdin, stdout and stderr".to_owned(),
                });
            }
        }
    }
    Ok(streams)
}

fn resources(options: &Options) -> Result<Resources, Error> {
    let memory_swap = match options.memory_swap.as_deref() {
        Some("-1") => Some(-1),
        text => signed("--memory-swap", text)?,
    };
    Ok(Resources {
        memory: signed("--memory", options.memory.as_deref())?,
        memory_swap,
        memory_reservation: signed("--memory-reservation", options.memory_reservation.as_deref())?,
        memory_swappiness: options.memory_swappiness,
        nano_cpus: match &options.cpus {
            Some(text) => Some(quantity::nano_cpus(text).map_err(value("--cpus", text))?),
            None => None,
        },
        cpu_shares: options.cpu_shares,
        cpu_period: options.cpu_period,
        cpu_quota: options.cpu_quota,
        cpuset_cpus: options.cpuset_cpus.clone(),
        cpuset_mems: options.cpuset_mems.clone(),
        pids_limit: options.pids_limit,
        blkio_weight: options.blkio_weight,
        device_cgroup_rules: options.device_cgroup_rule.clone(),
        oom_kill_disable: options.oom_kill_disable,
        ..Resources::default()
    })
}

/// docker's -1 means for ever; nothing else is below 0.
fn stop_timeout(seconds: Option<i64>) -> Result<Option<i64>, Error> {
    match seconds {
        Some(seconds) if seconds < -1 => Err(Error::Value {
            what: "--stop-timeout",
            value: seconds.to_string(),
            reason: "give seconds, or -1 for ever".to_owned(),
        }),
        seconds => Ok(seconds),
    }
}

/// `host`, or podman's `auto[:size=N]`.
fn users(mode: Option<&str>) -> Result<Users, Error> {
    let wrong = |reason: &str| Error::Value {
        what: "--userns",
        value: mode.unwrap_or_default().to_owned(),
        reason: reason.to_owned(),
    };
    match mode.unwrap_or_default() {
        "" | "host" => Ok(Users::Host),
        "auto" => Ok(Users::Auto { size: None }),
        other => match other.strip_prefix("auto:") {
            Some(option) => {
                let size = option.strip_prefix("size=").map(str::parse);
                match size {
                    Some(Ok(size)) if size > 0 => Ok(Users::Auto { size: Some(size) }),
                    _ => Err(wrong("auto takes size=NUMBER alone, at least 1")),
                }
            }
            None => Err(wrong("say host or auto; the other modes are not part of this release")),
        },
    }
}

fn namespaces(options: &Options) -> Result<Namespaces, Error> {
    Ok(Namespaces {
        pid: joinable("--pid", options.pid.as_deref())?,
        ipc: match options.ipc.as_deref() {
            Some("shareable" | "none") => Namespace::Private,
            mode => joinable("--ipc", mode)?,
        },
        uts: namespace("--uts", options.uts.as_deref())?,
        cgroup: namespace("--cgroupns", options.cgroupns.as_deref())?,
    })
}

/// One that docker lets containers share.
fn joinable(what: &'static str, mode: Option<&str>) -> Result<Namespace, Error> {
    match mode.and_then(|mode| mode.strip_prefix("container:")) {
        Some("") => Err(Error::Value {
            what,
            value: "container:".to_owned(),
            reason: "name the container".to_owned(),
        }),
        Some(name) => Ok(Namespace::Container(name.to_owned())),
        None => namespace(what, mode),
    }
}

fn namespace(what: &'static str, mode: Option<&str>) -> Result<Namespace, Error> {
    match mode {
        None | Some("" | "private") => Ok(Namespace::Private),
        Some("host") => Ok(Namespace::Host),
        Some(other) => Err(Error::Value {
            what,
            value: other.to_owned(),
            reason: match what {
                "--pid" => "modes are private, host and container:NAME",
                "--ipc" => "modes are private, shareable, none, host and container:NAME",
                _ => "modes are private and host",
            }
            .to_owned(),
        }),
    }
}

fn bytes(what: &'static str, text: Option<&str>) -> Result<Option<u64>, Error> {
    text.map(|text| quantity::bytes(text).map_err(value(what, text))).transpose()
}

/// A size that fits 63 bits, as its flag spells it.
///
/// # Errors
/// It is no size.
pub fn signed(what: &'static str, text: Option<&str>) -> Result<Option<i64>, Error> {
    // The parser's own bound: sizes fit 63 bits.
    Ok(bytes(what, text)?.and_then(|bytes| i64::try_from(bytes).ok()))
}

/// For `map_err` on what a flag's value is parsed by.
pub fn value<E: std::error::Error>(what: &'static str, text: &str) -> impl FnOnce(E) -> Error {
    let value = text.to_owned();
    move |error| Error::Value { what, value, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_options_are_handed_on() {
        let options = Options {
            memory: Some("64m".into()),
            memory_swap: Some("-1".into()),
            cpus: Some("1.5".into()),
            entrypoint: Some(String::new()),
            shm_size: Some("1g".into()),
            pid: Some("host".into()),
            volume: vec!["/a:/b".into()],
            ..Options::default()
        };
        let settings = settings(&options, &["true".into()]).unwrap();
        assert_eq!(settings.resources.memory, Some(64 << 20));
        assert_eq!(settings.resources.memory_swap, Some(-1));
        assert_eq!(settings.resources.nano_cpus, Some(1_500_000_000));
        assert_eq!(settings.entrypoint, Some(Vec::new()));
        assert_eq!(settings.shm_size, Some(1 << 30));
        assert_eq!(settings.namespaces.pid, Namespace::Host);
        assert_eq!(settings.mounts.len(), 1);
        assert_eq!(settings.command, ["true"]);
    }

    #[test]
    fn a_bad_value_is_named_with_its_flag() {
        let options = Options { memory: Some("lots".into()), ..Options::default() };
        let error = settings(&options, &[]).unwrap_err().to_string();
        assert!(error.contains("--memory") && error.contains("lots"), "{error}");
        let options = Options { ipc: Some("shared".into()), ..Options::default() };
        assert!(settings(&options, &[]).unwrap_err().to_string().contains("--ipc"));
        assert!(streams(&["stdfoo".into()], false).is_err());
    }
}

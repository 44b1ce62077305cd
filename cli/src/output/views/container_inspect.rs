//! A container as docker's `inspect` writes it: the fields we know, in its spelling.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use isopod_image::Reference;
use isopod_runtime::container::{
    ContainerStatus, Health, LogConfig, Mount, Namespace, Port, Record, Restart, Settings,
    SharedMemory,
};
use serde_json::{Map, Value as Json, json};

use super::containers::short_id;
use super::image_inspect;
use super::network_settings::{self, Place};
use super::state::State;
use crate::output::time;

/// What is shown.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// What it does.
    pub state: State,
    /// The same in full.
    pub status: &'a ContainerStatus,
    /// What it consists of.
    pub record: &'a Record,
    /// Its volumes' folders on the host, by name.
    pub volumes: BTreeMap<String, PathBuf>,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Its networks, in the order of its devices.
    pub places: Vec<Place>,
    /// Ports that it listens on.
    pub exposed: Vec<Port>,
    /// Its data folder.
    pub data: PathBuf,
    /// Its log.
    pub log_path: Option<PathBuf>,
    /// Bytes of the writable layer, and of it with the image; only where asked for.
    pub size: Option<(u64, u64)>,
}

/// The object.
#[must_use]
pub fn json(subject: &Subject<'_>) -> Json {
    let record = subject.record;
    let (path, args) = match subject.command.split_first() {
        Some((path, args)) => (path.as_str(), args),
        None => ("", [].as_slice()),
    };
    let netns = match subject.status.pid {
        0 => String::new(),
        pid => format!("/proc/{pid}/ns/net"),
    };
    let mut object = json!({
        "Id": subject.id,
        "Created": time::rfc3339_nano(subject.created),
        "Path": path,
        "Args": args,
        "State": state(subject),
        "Image": record.image.as_ref().map(|image| image.id.to_string()).unwrap_or_default(),
        "ResolvConfPath": subject.data.join("resolv.conf"),
        "HostnamePath": subject.data.join("hostname"),
        "HostsPath": subject.data.join("hosts"),
        "LogPath": subject.log_path.clone().unwrap_or_default(),
        "Name": format!("/{}", subject.name),
        "RestartCount": subject.status.restarts,
        "Driver": "overlayfs",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": null,
        "HostConfig": host_config(subject),
        "GraphDriver": {
            "Data": { "Snapshot": record.snapshot, "Layers": record.layers },
            "Name": "overlayfs",
        },
        "Mounts": mounts(subject),
        "Config": config(subject),
        "NetworkSettings": network_settings::json(&subject.places, &subject.exposed, &netns),
    });
    if let (Some((writable, all)), Json::Object(fields)) = (subject.size, &mut object) {
        fields.insert("SizeRw".to_owned(), writable.into());
        fields.insert("SizeRootFs".to_owned(), all.into());
    }
    object
}

fn state(subject: &Subject<'_>) -> Json {
    let (state, status) = (subject.state, subject.status);
    let exit = status.exit.as_ref();
    let at = |time: Option<DateTime<Utc>>| {
        time.map_or_else(|| time::NEVER.to_owned(), time::rfc3339_nano)
    };
    let is_restarting = matches!(state, State::Restarting { .. });
    let mut object = json!({
        "Status": state.word(),
        // For docker one that is about to be started again runs.
        "Running": is_restarting || matches!(state, State::Running { .. } | State::Paused { .. }),
        "Paused": matches!(state, State::Paused { .. }),
        "Restarting": is_restarting,
        "OOMKilled": exit.is_some_and(|exit| exit.oom_killed),
        "Dead": false,
        "Pid": status.pid,
        "ExitCode": state.exit_code().unwrap_or_default(),
        "Error": exit.and_then(|exit| exit.error.as_deref()).unwrap_or_default(),
        "StartedAt": at(status.started_at),
        "FinishedAt": at(status.finished_at().filter(|_| is_restarting || !state.is_alive())),
    });
    if let (Some(health), Json::Object(fields)) = (&status.health, &mut object) {
        fields.insert("Health".to_owned(), self::health(health));
    }
    object
}

fn health(health: &Health) -> Json {
    let at = |time: isopod_runtime::container::Timestamp| {
        time::rfc3339_nano(DateTime::from_timestamp_nanos(time.0))
    };
    let log = health.log.iter().map(|check| {
        json!({
            "Start": at(check.start),
            "End": at(check.end),
            "ExitCode": check.exit_code,
            "Output": check.output,
        })
    });
    json!({
        "Status": health.condition.as_str(),
        "FailingStreak": health.failing_streak,
        "Log": log.collect::<Vec<_>>(),
    })
}

fn restart_policy(restart: Restart) -> Json {
    let (name, most) = match restart {
        Restart::No => ("no", 0),
        Restart::OnFailure { max } => ("on-failure", max.unwrap_or_default()),
        Restart::Always => ("always", 0),
        Restart::UnlessStopped => ("unless-stopped", 0),
    };
    json!({ "Name": name, "MaximumRetryCount": most })
}

fn host_config(subject: &Subject<'_>) -> Json {
    let record = subject.record;
    let settings = &record.settings;
    let mut object = json!({
        "Binds": binds(settings),
        "ContainerIDFile": "",
        "LogConfig": log_config(&record.log),
        "NetworkMode": network_settings::mode(&settings.network),
        "PortBindings": network_settings::bindings(&settings.publish),
        "RestartPolicy": restart_policy(settings.restart),
        "AutoRemove": record.auto_remove,
        "VolumeDriver": "",
        "VolumesFrom": list(&settings.volumes_from),
        "CapAdd": list(&settings.cap_add),
        "CapDrop": list(&settings.cap_drop),
        "CgroupnsMode": mode(&settings.namespaces.cgroup, "private"),
        "GroupAdd": list(&settings.group_add),
        "IpcMode": mode(&settings.namespaces.ipc, ipc_mode(settings.shared_memory)),
        "PidMode": mode(&settings.namespaces.pid, ""),
        "UTSMode": mode(&settings.namespaces.uts, ""),
        "UsernsMode": "",
        "OomScoreAdj": settings.oom_score_adj.unwrap_or_default(),
        "Privileged": settings.privileged,
        "Init": settings.init,
        "PublishAllPorts": settings.publish_all,
        "Dns": settings.dns,
        "DnsOptions": settings.dns_options,
        "DnsSearch": settings.dns_search,
        "ExtraHosts": network_settings::extra_hosts(settings),
        "ReadonlyRootfs": settings.read_only,
        "SecurityOpt": list(&security_options(settings)),
        "Tmpfs": tmpfs(settings),
        "ShmSize": settings.shm_size.unwrap_or(64 << 20),
        "Sysctls": sysctls(settings),
        "Runtime": "isopod",
        "Annotations": settings.annotations,
        "CgroupParent": settings.cgroup_parent.clone().unwrap_or_default(),
    });
    if let (Json::Object(fields), Json::Object(limits)) = (&mut object, limits(settings)) {
        fields.extend(limits);
    }
    object
}

/// The part of docker's `HostConfig` that it calls resources.
fn limits(settings: &Settings) -> Json {
    let resources = &settings.resources;
    json!({
        "CpuShares": resources.cpu_shares.unwrap_or_default(),
        "NanoCpus": resources.nano_cpus.unwrap_or_default(),
        "CpuPeriod": resources.cpu_period.unwrap_or_default(),
        "CpuQuota": resources.cpu_quota.unwrap_or_default(),
        "CpusetCpus": resources.cpuset_cpus.clone().unwrap_or_default(),
        "CpusetMems": resources.cpuset_mems.clone().unwrap_or_default(),
        "BlkioWeight": resources.blkio_weight.unwrap_or_default(),
        "Memory": resources.memory.unwrap_or_default(),
        "MemoryReservation": resources.memory_reservation.unwrap_or_default(),
        "MemorySwap": resources.memory_swap.unwrap_or_default(),
        "MemorySwappiness": resources.memory_swappiness,
        "OomKillDisable": resources.oom_kill_disable,
        "PidsLimit": resources.pids_limit,
        "Devices": settings.devices.iter().map(|device| device_of(device)).collect::<Vec<_>>(),
        "DeviceCgroupRules": list(&resources.device_cgroup_rules),
        "Ulimits": settings.ulimits.iter().map(|limit| ulimit(limit)).collect::<Vec<_>>(),
    })
}

fn config(subject: &Subject<'_>) -> Json {
    let record = subject.record;
    let settings = &record.settings;
    let image = record.image.as_ref();
    let mut object =
        image_inspect::config(&image.map(|image| image.config.clone()).unwrap_or_default());
    let Json::Object(fields) = &mut object else { return object };
    let mut set = |name: &str, value: Json| drop(fields.insert(name.to_owned(), value));
    let host_name = settings.hostname.clone().unwrap_or_else(|| short_id(subject.id).to_owned());
    set("Hostname", host_name.into());
    if let Some(exposed) = network_settings::exposed(&subject.exposed, settings) {
        set("ExposedPorts", exposed);
    }
    set("Domainname", settings.domainname.clone().unwrap_or_default().into());
    // As the table of ps has it, not in full.
    let name = image.map(|image| image.name.as_str()).unwrap_or_default();
    let familiar = Reference::parse(name).map(|reference| reference.familiar());
    set("Image", familiar.unwrap_or_else(|_| name.to_owned()).into());
    set("Tty", settings.terminal.into());
    set("OpenStdin", settings.open_stdin.into());
    set("StdinOnce", settings.stdin_once.into());
    set("AttachStdin", settings.stdin_once.into());
    set("Labels", json!(subject.labels));
    set("Env", json!(environment(record)));
    if let Some(user) = &settings.user {
        set("User", user.as_str().into());
    }
    if let Some(folder) = &settings.working_dir {
        set("WorkingDir", folder.as_str().into());
    }
    if let Some(entrypoint) = &settings.entrypoint {
        set("Entrypoint", json!(entrypoint));
        set("Cmd", Json::Null);
    }
    if !settings.command.is_empty() {
        set("Cmd", json!(settings.command));
    }
    if let Some(check) = record.healthcheck() {
        set("Healthcheck", json!(check));
    }
    if let Some(signal) = &settings.stop_signal {
        set("StopSignal", signal.as_str().into());
    }
    if let Some(seconds) = settings.stop_timeout {
        set("StopTimeout", seconds.into());
    }
    object
}

/// The image's variables with the request's over them.
fn environment(record: &Record) -> Vec<String> {
    let mut all: Vec<String> =
        record.image.as_ref().map(|image| image.config.env.clone()).unwrap_or_default();
    for entry in &record.settings.env {
        let name = entry.split('=').next().unwrap_or_default();
        let is_it = |other: &String| other.split('=').next() == Some(name);
        match (all.iter().position(is_it), entry.contains('=')) {
            (Some(index), true) => all[index].clone_from(entry),
            (Some(index), false) => drop(all.remove(index)),
            (None, true) => all.push(entry.clone()),
            (None, false) => {}
        }
    }
    all
}

fn mounts(subject: &Subject<'_>) -> Vec<Json> {
    let record = subject.record;
    let volumes = record.volumes.iter().map(|volume| {
        json!({
            "Type": "volume",
            "Name": volume.name,
            "Source": subject.volumes.get(&volume.name),
            "Destination": volume.destination,
            "Driver": "local",
            "Mode": volume.options.join(","),
            "RW": is_writable(&volume.options),
            "Propagation": "",
        })
    });
    let others = record.settings.mounts.iter().filter_map(|mount| match mount {
        Mount::Volume { .. } => None,
        Mount::Bind { source, destination, options, .. } => {
            Some(mount_of("bind", &source.to_string_lossy(), destination, options))
        }
        Mount::Image { source, destination, options, .. } => {
            let options = [&options[..], &["ro".to_owned()]].concat();
            Some(mount_of("image", source, destination, &options))
        }
        Mount::Tmpfs { destination, options } => Some(mount_of("tmpfs", "", destination, options)),
        Mount::Other { fs_type, source, destination, options } => {
            Some(mount_of(fs_type, source, destination, options))
        }
    });
    volumes.chain(others).collect()
}

fn mount_of(kind: &str, source: &str, destination: &str, options: &[String]) -> Json {
    let propagation = options.iter().find(|option| {
        matches!(option.trim_start_matches('r'), "private" | "slave" | "shared")
            || option.as_str() == "rprivate"
    });
    json!({
        "Type": kind,
        "Source": source,
        "Destination": destination,
        "Mode": options.join(","),
        "RW": is_writable(options),
        "Propagation": propagation.map_or("rprivate", String::as_str),
    })
}

/// docker's words for an IPC namespace of the container's own.
fn ipc_mode(shared_memory: SharedMemory) -> &'static str {
    match shared_memory {
        SharedMemory::Private => "private",
        SharedMemory::Shareable => "shareable",
        SharedMemory::None => "none",
    }
}

fn is_writable(options: &[String]) -> bool {
    !options.iter().any(|option| option == "ro" || option == "readonly")
}

fn binds(settings: &Settings) -> Json {
    let binds: Vec<String> = settings
        .mounts
        .iter()
        .filter_map(|mount| match mount {
            Mount::Bind { source, destination, options, .. } => {
                Some((source.display().to_string(), destination, options))
            }
            Mount::Volume { name: Some(name), destination, options, .. } => {
                Some((name.clone(), destination, options))
            }
            _ => None,
        })
        .map(|(source, destination, options)| match options.is_empty() {
            true => format!("{source}:{destination}"),
            false => format!("{source}:{destination}:{}", options.join(",")),
        })
        .collect();
    list(&binds)
}

fn tmpfs(settings: &Settings) -> Json {
    let entries: Map<String, Json> = settings
        .mounts
        .iter()
        .filter_map(|mount| match mount {
            Mount::Tmpfs { destination, options } => {
                Some((destination.clone(), options.join(",").into()))
            }
            _ => None,
        })
        .collect();
    if entries.is_empty() { Json::Null } else { entries.into() }
}

fn sysctls(settings: &Settings) -> Json {
    let entries: Map<String, Json> = settings
        .sysctls
        .iter()
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    if entries.is_empty() { Json::Null } else { entries.into() }
}

fn security_options(settings: &Settings) -> Vec<String> {
    use isopod_runtime::container::{AppArmor, Seccomp};
    let mut options = Vec::new();
    if settings.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    match &settings.seccomp {
        Seccomp::Default => {}
        Seccomp::Unconfined => options.push("seccomp=unconfined".to_owned()),
        Seccomp::Profile(profile) => options.push(format!("seccomp={profile}")),
    }
    match &settings.apparmor {
        AppArmor::Default => {}
        AppArmor::Unconfined => options.push("apparmor=unconfined".to_owned()),
        AppArmor::Named(name) => options.push(format!("apparmor={name}")),
    }
    if settings.unconfined_paths {
        options.push("systempaths=unconfined".to_owned());
    }
    options
}

fn device_of(text: &str) -> Json {
    let mut parts = text.split(':');
    let host = parts.next().unwrap_or_default();
    let inside = parts.next().unwrap_or(host);
    json!({
        "PathOnHost": host,
        "PathInContainer": inside,
        "CgroupPermissions": parts.next().unwrap_or("rwm"),
    })
}

fn ulimit(text: &str) -> Json {
    let (name, limits) = text.split_once('=').unwrap_or((text, ""));
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| text.parse::<i64>().unwrap_or(-1);
    json!({ "Name": name, "Soft": number(soft), "Hard": number(hard) })
}

fn log_config(log: &LogConfig) -> Json {
    match log {
        LogConfig::None => json!({ "Type": "none", "Config": {} }),
        LogConfig::Local { max_size, max_files } => json!({
            "Type": "local",
            "Config": { "max-size": max_size.to_string(), "max-file": max_files.to_string() },
        }),
        LogConfig::JsonFile { max_size, max_files } => {
            let mut options = Map::new();
            if let Some(size) = max_size {
                options.insert("max-size".to_owned(), size.to_string().into());
                options.insert("max-file".to_owned(), max_files.to_string().into());
            }
            json!({ "Type": "json-file", "Config": options })
        }
    }
}

fn mode(namespace: &Namespace, private: &str) -> String {
    match namespace {
        Namespace::Private => private.to_owned(),
        Namespace::Host => "host".to_owned(),
        Namespace::Path(path) => format!("ns:{}", path.display()),
        Namespace::Container(id) => format!("container:{id}"),
    }
}

fn list(words: &[String]) -> Json {
    if words.is_empty() { Json::Null } else { json!(words) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isopod_runtime::container::{Phase, Resources};

    fn shown(settings: Settings, log: LogConfig) -> Json {
        let record = Record {
            version: 1,
            image: None,
            rootfs: None,
            layers: Vec::new(),
            snapshot: None,
            settings,
            volumes: Vec::new(),
            images: Vec::new(),
            log,
            auto_remove: false,
        };
        let status = ContainerStatus {
            phase: Phase::Created,
            pid: 0,
            started_at: None,
            exit: None,
            restarts: 0,
            is_stopped_by_hand: false,
            health: None,
        };
        json(&Subject {
            id: &"4c01db0b339c1f2a".repeat(4),
            name: "box",
            created: DateTime::UNIX_EPOCH,
            command: vec!["sh".into(), "-c".into(), "true".into()],
            state: State::Created,
            status: &status,
            record: &record,
            volumes: BTreeMap::new(),
            labels: &BTreeMap::new(),
            places: vec![Place {
                name: "none".to_owned(),
                network: None,
                attachment: None,
                endpoint: None,
            }],
            exposed: Vec::new(),
            data: PathBuf::from("/data"),
            log_path: None,
            size: None,
        })
    }

    /// The paths that scripts read most, from docker's reference of `inspect`.
    #[test]
    fn the_fields_that_scripts_read_are_where_docker_has_them() {
        let settings = Settings {
            hostname: Some("inner".into()),
            env: vec!["A=1".into(), "GONE".into()],
            mounts: vec![
                Mount::Bind {
                    source: "/src".into(),
                    destination: "/dst".into(),
                    options: vec!["ro".into(), "rslave".into()],
                    create_source: false,
                },
                Mount::Tmpfs { destination: "/t".into(), options: vec!["size=1m".into()] },
            ],
            resources: Resources { memory: Some(64 << 20), ..Resources::default() },
            ulimits: vec!["nofile=1:2".into()],
            ..Settings::default()
        };
        let log = LogConfig::JsonFile { max_size: Some(10), max_files: 3 };
        let shown = shown(settings, log);
        for (path, expected) in [
            ("/Name", json!("/box")),
            ("/Path", json!("sh")),
            ("/Args", json!(["-c", "true"])),
            ("/State/Status", json!("created")),
            ("/State/StartedAt", json!("0001-01-01T00:00:00Z")),
            ("/Config/Hostname", json!("inner")),
            ("/Config/Env", json!(["A=1"])),
            ("/HostConfig/Memory", json!(67_108_864)),
            ("/HostConfig/NetworkMode", json!("none")),
            ("/HostConfig/Binds", json!(["/src:/dst:ro,rslave"])),
            ("/HostConfig/Tmpfs", json!({ "/t": "size=1m" })),
            ("/HostConfig/Ulimits/0", json!({ "Name": "nofile", "Soft": 1, "Hard": 2 })),
            ("/HostConfig/LogConfig/Config/max-file", json!("3")),
            ("/Mounts/0/Type", json!("bind")),
            ("/Mounts/0/RW", json!(false)),
            ("/Mounts/0/Propagation", json!("rslave")),
            ("/NetworkSettings/Networks/none/IPAddress", json!("")),
        ] {
            assert_eq!(shown.pointer(path), Some(&expected), "{path}");
        }
    }
}

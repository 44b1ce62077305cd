//! docker's `HostConfig`: what was asked of the host, and the limits.

use isopod_runtime::container::{
    AppArmor, LogAttributes, LogConfig, LogWriting, Mount, Namespace, Record, Restart, Seccomp,
    Settings, SharedMemory,
};
use serde_json::{Map, Value as Json, json};

use crate::output::views::network_settings;

/// All of it.
pub fn json(record: &Record) -> Json {
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
        "UsernsMode": if settings.user_namespace().is_some() { "private" } else { "" },
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

fn restart_policy(restart: Restart) -> Json {
    let (name, most) = match restart {
        Restart::No => ("no", 0),
        Restart::OnFailure { max } => ("on-failure", max.unwrap_or_default()),
        Restart::Always => ("always", 0),
        Restart::UnlessStopped => ("unless-stopped", 0),
    };
    json!({ "Name": name, "MaximumRetryCount": most })
}

/// docker's words for an IPC namespace of the container's own.
fn ipc_mode(shared_memory: SharedMemory) -> &'static str {
    match shared_memory {
        SharedMemory::Private => "private",
        SharedMemory::Shareable => "shareable",
        SharedMemory::None => "none",
    }
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
        LogConfig::Local { max_size, max_files, writing } => {
            let mut options = log_writing(*writing);
            options.insert("max-size".to_owned(), max_size.to_string().into());
            options.insert("max-file".to_owned(), max_files.to_string().into());
            options.insert("compress".to_owned(), writing.compress.to_string().into());
            json!({ "Type": "local", "Config": options })
        }
        LogConfig::JsonFile { max_size, max_files, attributes, writing } => {
            let mut options = log_attributes(attributes);
            if let Some(size) = max_size {
                options.insert("max-size".to_owned(), size.to_string().into());
                options.insert("max-file".to_owned(), max_files.to_string().into());
            }
            options.extend(log_writing(*writing));
            json!({ "Type": "json-file", "Config": options })
        }
    }
}

/// What isn't as it usually is.
fn log_writing(writing: LogWriting) -> Map<String, Json> {
    let mut options = Map::new();
    if writing.compress {
        options.insert("compress".to_owned(), "true".into());
    }
    if let Some(bytes) = writing.max_buffer {
        options.insert("mode".to_owned(), "non-blocking".into());
        options.insert("max-buffer-size".to_owned(), bytes.to_string().into());
    }
    options
}

/// As they were given.
fn log_attributes(of: &LogAttributes) -> Map<String, Json> {
    let list = |names: &[String]| (!names.is_empty()).then(|| names.join(","));
    let options = [
        ("labels", list(&of.labels)),
        ("labels-regex", of.labels_regex.clone()),
        ("env", list(&of.env)),
        ("env-regex", of.env_regex.clone()),
        ("tag", of.tag.clone()),
    ];
    let given =
        options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    given.collect()
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

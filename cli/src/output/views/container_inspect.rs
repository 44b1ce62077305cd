//! A container as docker's `inspect` writes it: the fields we know, in its spelling.
//!
//! [`host_config`] and [`mounts`] have rooms of their own.

mod host_config;
mod mounts;

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use isopod_runtime::container::{ContainerStatus, Health, Port, Record};
use serde_json::{Value as Json, json};

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
    /// The AppArmor profile that it runs under; empty without one.
    pub apparmor_profile: String,
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
        "AppArmorProfile": subject.apparmor_profile,
        "ExecIDs": null,
        "HostConfig": host_config::json(record),
        "GraphDriver": {
            "Data": { "Snapshot": record.snapshot, "Layers": record.layers },
            "Name": "overlayfs",
        },
        "Mounts": mounts::json(record, &subject.volumes),
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
    set("Image", record.image_as_asked().into());
    set("Tty", settings.terminal.into());
    set("OpenStdin", settings.open_stdin.into());
    set("StdinOnce", settings.stdin_once.into());
    set("AttachStdin", settings.stdin_once.into());
    set("Labels", json!(subject.labels));
    set("Env", json!(record.environment()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use isopod_runtime::container::{
        LogAttributes, LogConfig, LogWriting, Mount, Phase, Resources, Settings,
    };

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
            cgroup_manager: isopod_runtime::CgroupManager::Cgroupfs,
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
            apparmor_profile: "isopod-default".to_owned(),
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
        let log = LogConfig::JsonFile {
            max_size: Some(10),
            max_files: 3,
            attributes: LogAttributes::default(),
            writing: LogWriting { compress: true, max_buffer: Some(4096) },
        };
        let shown = shown(settings, log);
        for (path, expected) in [
            ("/Name", json!("/box")),
            ("/Path", json!("sh")),
            ("/Args", json!(["-c", "true"])),
            ("/State/Status", json!("created")),
            ("/State/StartedAt", json!("0001-01-01T00:00:00Z")),
            ("/Config/Hostname", json!("inner")),
            ("/Config/Env", json!(["A=1"])),
            ("/AppArmorProfile", json!("isopod-default")),
            ("/HostConfig/Memory", json!(67_108_864)),
            ("/HostConfig/NetworkMode", json!("none")),
            ("/HostConfig/Binds", json!(["/src:/dst:ro,rslave"])),
            ("/HostConfig/Tmpfs", json!({ "/t": "size=1m" })),
            ("/HostConfig/Ulimits/0", json!({ "Name": "nofile", "Soft": 1, "Hard": 2 })),
            ("/HostConfig/LogConfig/Config/max-file", json!("3")),
            ("/HostConfig/LogConfig/Config/compress", json!("true")),
            ("/HostConfig/LogConfig/Config/mode", json!("non-blocking")),
            ("/HostConfig/LogConfig/Config/max-buffer-size", json!("4096")),
            ("/Mounts/0/Type", json!("bind")),
            ("/Mounts/0/RW", json!(false)),
            ("/Mounts/0/Propagation", json!("rslave")),
            ("/NetworkSettings/Networks/none/IPAddress", json!("")),
        ] {
            assert_eq!(shown.pointer(path), Some(&expected), "{path}");
        }
    }
}

//! What `info` and `version` say.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use crate::output::{time, units};

/// The machine and the instance.
#[derive(Debug, Clone, Default)]
pub struct Info {
    /// Containers in the namespace, by what they do.
    pub containers: Counts,
    /// Names of images.
    pub images: usize,
    /// The data folder.
    pub root: String,
    /// The state folder.
    pub state: String,
    /// The namespace.
    pub namespace: String,
    /// `1`, `1 (hybrid)` or `2`.
    pub cgroup_version: String,
    /// The cgroup below which everything runs.
    pub cgroup_parent: String,
    /// `cgroupfs` or `systemd`.
    pub cgroup_manager: &'static str,
    /// `seccomp`, `apparmor`, `cgroupns`, …
    pub security: Vec<String>,
    /// The kernel's release.
    pub kernel: String,
    /// `PRETTY_NAME` of os-release.
    pub system: String,
    /// In the kernel's words.
    pub architecture: String,
    /// `VERSION_ID` of os-release.
    pub system_version: String,
    /// Controllers of cgroups that the kernel has.
    pub controllers: Vec<String>,
    /// Whether the kernel sends packets of IPv4 on.
    pub forwards_ipv4: bool,
    /// When this was gathered.
    pub time: DateTime<Utc>,
    /// Processors that may be used.
    pub cpus: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// The host's name.
    pub name: String,
    /// This binary's.
    pub version: String,
}

/// Containers by what they do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Running.
    pub running: usize,
    /// Frozen.
    pub paused: usize,
    /// All others.
    pub stopped: usize,
}

/// For templates and `--format json`, in docker's spelling.
#[must_use]
pub fn json(info: &Info) -> Json {
    let Counts { running, paused, stopped } = info.containers;
    let has = |controller: &str| info.controllers.iter().any(|one| one == controller);
    // docker says 1 where systemd alone uses version 2.
    let cgroup_version = info.cgroup_version.chars().take(1).collect::<String>();
    json!({
        "Containers": running + paused + stopped,
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": stopped,
        "Images": info.images,
        "Driver": "overlayfs",
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "macvlan", "null"],
            "Authorization": null,
            "Log": ["json-file", "local", "none"],
        },
        "MemoryLimit": has("memory"),
        "SwapLimit": has("memory"),
        "CpuCfsPeriod": has("cpu"),
        "CpuCfsQuota": has("cpu"),
        "CPUShares": has("cpu"),
        "CPUSet": has("cpuset"),
        "PidsLimit": has("pids"),
        "IPv4Forwarding": info.forwards_ipv4,
        "OomKillDisable": false,
        "SystemTime": time::rfc3339_nano(info.time),
        "LoggingDriver": "json-file",
        "CgroupDriver": info.cgroup_manager,
        "CgroupVersion": cgroup_version,
        "KernelVersion": info.kernel,
        "OperatingSystem": info.system,
        "OSVersion": info.system_version,
        "OSType": "linux",
        "Architecture": info.architecture,
        "NCPU": info.cpus,
        "MemTotal": info.memory,
        "DockerRootDir": info.root,
        "Name": info.name,
        "Labels": [],
        "ExperimentalBuild": false,
        "ServerVersion": info.version,
        "Runtimes": { "isopod": {} },
        "DefaultRuntime": "isopod",
        "Swarm": { "LocalNodeState": "inactive" },
        // No process of ours is between containers and the kernel that could be restarted.
        "LiveRestoreEnabled": true,
        "SecurityOptions": security_options(&info.security),
        "Warnings": null,
        "CgroupParent": info.cgroup_parent,
        "Namespace": info.namespace,
        "StateDir": info.state,
    })
}

/// In docker's form: `name=seccomp,profile=builtin`.
fn security_options(names: &[String]) -> Vec<String> {
    let option = |name: &String| match name.as_str() {
        "seccomp" => "name=seccomp,profile=builtin".to_owned(),
        name => format!("name={name}"),
    };
    names.iter().map(option).collect()
}

/// For people.
#[must_use]
pub fn text(info: &Info) -> String {
    let Counts { running, paused, stopped } = info.containers;
    let lines = [
        format!("Containers: {}", running + paused + stopped),
        format!(" Running: {running}"),
        format!(" Paused: {paused}"),
        format!(" Stopped: {stopped}"),
        format!("Images: {}", info.images),
        format!("Server Version: {}", info.version),
        "Storage Driver: overlayfs".to_owned(),
        "Logging Driver: json-file".to_owned(),
        format!("Cgroup Driver: {}", info.cgroup_manager),
        format!("Cgroup Version: {}", info.cgroup_version),
        format!("Cgroup Parent: {}", info.cgroup_parent),
        format!("Namespace: {}", info.namespace),
        format!("Security Options: {}", info.security.join(" ")),
        format!("Kernel Version: {}", info.kernel),
        format!("Operating System: {}", info.system),
        "OSType: linux".to_owned(),
        format!("Architecture: {}", info.architecture),
        format!("CPUs: {}", info.cpus),
        format!("Total Memory: {}", units::binary(info.memory)),
        format!("Name: {}", info.name),
        format!("Root Dir: {}", info.root),
        format!("State Dir: {}", info.state),
    ];
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read_by_people_and_scripts() {
        let info = Info {
            containers: Counts { running: 2, paused: 1, stopped: 3 },
            memory: 2_087_583_744,
            security: vec!["seccomp".into(), "cgroupns".into()],
            cgroup_version: "1 (hybrid)".into(),
            controllers: vec!["memory".into(), "pids".into()],
            ..Info::default()
        };
        let text = text(&info);
        assert!(text.starts_with("Containers: 6\n Running: 2\n Paused: 1\n Stopped: 3\n"));
        assert!(text.contains("\nTotal Memory: 1.944GiB\n"));
        assert!(text.contains("\nSecurity Options: seccomp cgroupns\n"));
        assert_eq!(json(&info)["Containers"], 6);
        // The values that docker's API documents (`GET /info`).
        let json = json(&info);
        assert_eq!(json["CgroupVersion"], "1");
        assert_eq!(json["SecurityOptions"][0], "name=seccomp,profile=builtin");
        assert_eq!(json["SecurityOptions"][1], "name=cgroupns");
        assert_eq!((&json["MemoryLimit"], &json["CPUSet"]), (&true.into(), &false.into()));
    }
}

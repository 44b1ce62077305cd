//! What `info` and `version` say.

use serde_json::{Value as Json, json};

use crate::output::units;

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
    /// `seccomp`, `apparmor`, `cgroupns`, …
    pub security: Vec<String>,
    /// The kernel's release.
    pub kernel: String,
    /// `PRETTY_NAME` of os-release.
    pub system: String,
    /// In Go's words.
    pub architecture: String,
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
    json!({
        "ServerVersion": info.version,
        "Containers": running + paused + stopped,
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": stopped,
        "Images": info.images,
        "Driver": "overlayfs",
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": info.cgroup_version,
        "CgroupParent": info.cgroup_parent,
        "Namespace": info.namespace,
        "SecurityOptions": info.security,
        "KernelVersion": info.kernel,
        "OperatingSystem": info.system,
        "OSType": "linux",
        "Architecture": info.architecture,
        "NCPU": info.cpus,
        "MemTotal": info.memory,
        "DockerRootDir": info.root,
        "StateDir": info.state,
        "Name": info.name,
        "DefaultRuntime": "isopod",
    })
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
        "Cgroup Driver: cgroupfs".to_owned(),
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
            cgroup_version: "2".into(),
            ..Info::default()
        };
        let text = text(&info);
        assert!(text.starts_with("Containers: 6\n Running: 2\n Paused: 1\n Stopped: 3\n"));
        assert!(text.contains("\nTotal Memory: 1.944GiB\n"));
        assert!(text.contains("\nSecurity Options: seccomp cgroupns\n"));
        assert_eq!(json(&info)["Containers"], 6);
        assert_eq!(json(&info)["CgroupVersion"], "2");
    }
}

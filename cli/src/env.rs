//! Every environment variable that isopod reads, and nothing but the reading.
//!
//! Libraries never read the environment: what they need of it is taken here once and
//! handed down. `NO_COLOR`, `TERM` and `COLUMNS` are read by the terminal libraries themselves.

use std::ffi::OsString;
use std::path::PathBuf;

/// Where images, snapshots and containers lie (`--root`).
pub const ROOT: &str = "ISOPOD_ROOT";
/// Where sockets, locks and mount points lie (`--state`).
pub const STATE: &str = "ISOPOD_STATE";
/// Folders with registry configuration, separated by colons (`--hosts-dir`).
pub const HOSTS_DIR: &str = "ISOPOD_HOSTS_DIR";
/// The configuration file; `/etc/isopod/config.toml` where unset.
pub const CONFIG: &str = "ISOPOD_CONFIG";
/// The monitor program to use instead of the one inside the binary.
pub const MONITOR: &str = "ISOPOD_MONITOR";
/// The namespace (`-n`, `--namespace`), as containerd's tools name it.
pub const NAMESPACE: &str = "CONTAINERD_NAMESPACE";
/// crictl's configuration file (`-c`).
pub const CRI_CONFIG_FILE: &str = "CRI_CONFIG_FILE";
/// Where crictl finds a runtime (`-r`).
pub const CONTAINER_RUNTIME_ENDPOINT: &str = "CONTAINER_RUNTIME_ENDPOINT";
/// Where crictl finds images, if elsewhere (`-i`).
pub const IMAGE_SERVICE_ENDPOINT: &str = "IMAGE_SERVICE_ENDPOINT";
/// crictl's `--creds`.
pub const CRICTL_CREDS: &str = "CRICTL_CREDS";
/// crictl's `--auth`.
pub const CRICTL_AUTH: &str = "CRICTL_AUTH";
/// crictl's `--pull-timeout`.
pub const CRICTL_PULL_TIMEOUT: &str = "CRICTL_PULL_TIMEOUT";
/// What `--debug` shows, in the syntax of tracing's filters.
pub const LOG: &str = "ISOPOD_LOG";
/// How many descriptors from 3 on are sockets for the program (sd_listen_fds(3)).
pub const LISTEN_FDS: &str = "LISTEN_FDS";
/// Which process those sockets are for.
pub const LISTEN_PID: &str = "LISTEN_PID";
/// Where a service says that it is ready (sd_notify(3)).
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// Where a debug build kills itself for a test: `NAME[:NTH[:stop]]` ([`isopod_sys::step`]).
pub const STEP: &str = isopod_sys::step::DEED;
/// Where it notes by which steps it came.
pub const STEP_LOG: &str = isopod_sys::step::LOG;
/// What isopod-registry looks up through [`of_registries`] when something is pulled: proxies, trusted
/// authorities, files with credentials, short names.
const OF_REGISTRIES: [&str; 15] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REGISTRY_AUTH_FILE",
    "DOCKER_CONFIG",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "HOME",
    "CONTAINERS_REGISTRIES_CONF",
    "REQUEST_METHOD",
];

/// A variable that concerns registries; others are not there for them.
#[must_use]
pub fn of_registries(name: &str) -> Option<String> {
    OF_REGISTRIES.contains(&name).then(|| text(name)).flatten()
}

/// A variable that is set and not empty.
#[must_use]
pub fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable that names a file or folder.
#[must_use]
pub fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A variable that a command line asked for by name (`-e NAME`), whatever it is.
///
/// Docker drops the ones that are not set; so does the caller on `None`.
#[must_use]
pub fn passed_through(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_unset_variable_is_none() {
        assert_eq!(super::text("ISOPOD_SURELY_UNSET_VARIABLE"), None);
        assert_eq!(super::path("ISOPOD_SURELY_UNSET_VARIABLE"), None);
    }
}

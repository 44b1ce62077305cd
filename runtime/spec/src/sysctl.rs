//! Kernel parameters a container may set: those of its own namespaces and nothing else
//! (security.md, row 20; runtime-spec, config-linux.md, "Sysctl").

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::namespaces::{Namespace, Namespaces};

/// Parameters of the IPC namespace beside `fs.mqueue.*`; ipc_namespaces(7).
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

/// The longest value that is taken, in bytes: a page, as the kernel's own handlers.
const VALUE_CAP: usize = 4096;

/// Why a parameter is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SysctlError {
    /// No `=`.
    #[error("sysctl {0:?} is not of the form name=value")]
    NoValue(String),
    /// Not a chain of plain words.
    #[error("sysctl name {0:?} is not words of letters, digits, '_' and '-' joined by dots")]
    Name(String),
    /// Control characters, or too long.
    #[error("value of sysctl {0} holds control characters or is longer than {VALUE_CAP} bytes")]
    Value(String),
    /// Not in the list.
    #[error("sysctl {0} belongs to no namespace of a container and would change the host")]
    NotNamespaced(String),
    /// In the list, but the namespace is the host's.
    #[error(
        "sysctl {name} would change the host: the container has no {namespace} namespace of its own"
    )]
    HostNamespace {
        /// The parameter.
        name: String,
        /// Which namespace it belongs to.
        namespace: &'static str,
    },
    /// In the list, but the namespace is another container's.
    #[error(
        "sysctl {name} would change the container whose {namespace} namespace is joined: set it there"
    )]
    OthersNamespace {
        /// The parameter.
        name: String,
        /// Which namespace it belongs to.
        namespace: &'static str,
    },
    /// Has an option of its own.
    #[error("sysctl kernel.hostname is set with the hostname option")]
    Hostname,
}

/// Reads `name=value`, `name` with dots or slashes; the name comes back with dots.
///
/// # Errors
/// See [`SysctlError`]. Whether the parameter is allowed is [`check`]'s question.
pub fn parse(text: &str) -> Result<(String, String), SysctlError> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| SysctlError::NoValue(text.to_owned()))?;
    Ok((normalise(name)?, value.to_owned()))
}

/// Dots for slashes, every word checked; so no `..`, no empty word, no second separator.
fn normalise(name: &str) -> Result<String, SysctlError> {
    let refused = || SysctlError::Name(name.to_owned());
    let separator = match (name.contains('.'), name.contains('/')) {
        // A dot inside a slash-separated word names an interface like eth0.100; once
        // joined by dots the two could not be told apart.
        (true, true) => return Err(refused()),
        (_, true) => '/',
        _ => '.',
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let words: Vec<_> = name.split(separator).collect();
    if words.len() < 2 || words.iter().any(|w| w.is_empty() || !w.bytes().all(plain)) {
        return Err(refused());
    }
    Ok(words.join("."))
}

/// The parameters to set, checked against the list and the container's namespaces.
///
/// # Errors
/// The first parameter that is refused.
pub fn check(
    requested: &[(String, String)],
    namespaces: &Namespaces,
) -> Result<BTreeMap<String, String>, SysctlError> {
    let mut checked = BTreeMap::new();
    for (name, value) in requested {
        let name = normalise(name)?;
        if value.len() > VALUE_CAP || value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(SysctlError::Value(name));
        }
        let Owner { namespace, label, file } = owner(&name, namespaces)?;
        match namespace {
            Namespace::New => {}
            Namespace::Path(path) if !is_own(path, file) => {}
            Namespace::Host | Namespace::Path(_) => {
                return Err(SysctlError::HostNamespace { name, namespace: label });
            }
            Namespace::Shared(_) => {
                return Err(SysctlError::OthersNamespace { name, namespace: label });
            }
        }
        checked.insert(name, value.clone());
    }
    Ok(checked)
}

/// Whose parameter one is.
struct Owner<'a> {
    namespace: &'a Namespace,
    /// What people call it.
    label: &'static str,
    /// Its name below `/proc/PID/ns`.
    file: &'static str,
}

/// Whether a file stands for the namespace that this very process is in: the host's, by another name.
fn is_own(path: &Path, file: &str) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|about| (about.dev(), about.ino())).ok();
    let own = identity(&Path::new("/proc/self/ns").join(file));
    own.is_some() && own == identity(path)
}

fn owner<'a>(name: &str, namespaces: &'a Namespaces) -> Result<Owner<'a>, SysctlError> {
    let of = |namespace, label, file| Ok(Owner { namespace, label, file });
    if name.starts_with("net.") {
        of(&namespaces.network, "network", "net")
    } else if IPC.contains(&name) || name.starts_with("fs.mqueue.") {
        of(&namespaces.ipc, "IPC", "ipc")
    } else if name == "kernel.domainname" {
        of(&namespaces.uts, "UTS", "uts")
    } else if name == "kernel.hostname" {
        Err(SysctlError::Hostname)
    } else {
        Err(SysctlError::NotNamespaced(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn parameters_of_own_namespaces_are_taken() {
        let own = Namespaces::default();
        for (name, stored) in [
            ("net.ipv4.ip_forward", "net.ipv4.ip_forward"),
            ("net/ipv6/conf/all/forwarding", "net.ipv6.conf.all.forwarding"),
            ("kernel.sem", "kernel.sem"),
            ("fs.mqueue.msg_max", "fs.mqueue.msg_max"),
            ("kernel.domainname", "kernel.domainname"),
        ] {
            let checked = check(&one(name, "1 2\t3"), &own).unwrap();
            assert_eq!(checked.get(stored).map(String::as_str), Some("1 2\t3"), "{name}");
        }
    }

    #[test]
    fn parameters_of_the_host_are_refused() {
        let own = Namespaces::default();
        for name in [
            "kernel.core_pattern",
            "kernel.shmmax2",
            "vm.swappiness",
            "fs.file-max",
            "fs.mqueueX.a",
            "user.max_user_namespaces",
            "kernel.hostname",
            "network.ipv4",
        ] {
            assert!(check(&one(name, "1"), &own).is_err(), "{name}");
        }
    }

    #[test]
    fn parameters_of_a_namespace_shared_with_the_host_are_refused() {
        let host = Namespace::Host;
        for (name, namespaces) in [
            ("net.ipv4.ip_forward", Namespaces { network: host.clone(), ..Default::default() }),
            ("kernel.shmmax", Namespaces { ipc: host.clone(), ..Default::default() }),
            ("kernel.domainname", Namespaces { uts: host, ..Default::default() }),
        ] {
            let error = check(&one(name, "1"), &namespaces).unwrap_err();
            assert!(matches!(error, SysctlError::HostNamespace { .. }), "{name}: {error}");
        }
    }

    /// runc's rule for the host's; what another container has is not this one's to change either.
    #[test]
    fn parameters_of_a_joined_namespace_are_refused_unless_it_is_nobodys() {
        let shared = |namespaces| check(&one("net.ipv4.ip_forward", "1"), &namespaces);
        let network = Namespace::Shared("/containers/1".into());
        let error = shared(Namespaces { network, ..Default::default() }).unwrap_err();
        assert!(matches!(error, SysctlError::OthersNamespace { .. }), "{error}");
        let ipc = Namespace::Shared("/containers/1".into());
        let namespaces = Namespaces { ipc, ..Default::default() };
        let error = check(&one("kernel.shmmax", "1"), &namespaces).unwrap_err();
        assert!(matches!(error, SysctlError::OthersNamespace { .. }), "{error}");
        let network = Namespace::Path(format!("/proc/{}/ns/net", std::process::id()).into());
        let error = shared(Namespaces { network, ..Default::default() }).unwrap_err();
        assert!(matches!(error, SysctlError::HostNamespace { .. }), "{error}");
        // Somebody made it, and names it: `ns:/run/netns/x`.
        let network = Namespace::Path("/proc/self/ns/mnt".into());
        shared(Namespaces { network, ..Default::default() }).unwrap();
    }

    #[test]
    fn separators_cannot_smuggle_a_second_parameter() {
        let own = Namespaces::default();
        for name in [
            "net",
            "net.",
            ".net.ipv4",
            "net..ipv4",
            "net.ipv4/../kernel.core_pattern",
            "net/../kernel/core_pattern",
            "net.ipv4.a+kernel.core_pattern",
            "net.ipv4.a=1\nkernel.core_pattern",
            "net.ipv4.a kernel.core_pattern",
            "net.ipv4.a\0",
            "net/ipv4/conf/eth0.1/forwarding",
        ] {
            let error = check(&one(name, "1"), &own).unwrap_err();
            assert!(matches!(error, SysctlError::Name(_)), "{name:?}: {error}");
        }
        for value in ["1\n2", "1\0", "\u{1b}[0m"] {
            let error = check(&one("net.ipv4.ip_forward", value), &own).unwrap_err();
            assert!(matches!(error, SysctlError::Value(_)), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_a_path_inside_an_allowed_folder(
            name in "(net|kernel|fs|vm|user)?[./+ =a-z\\PC]{0,12}[./](shmmax|mqueue|core_pattern|\\.\\.)?[./]?[a-z_]{0,8}",
        ) {
            if let Ok(checked) = check(&one(&name, "1"), &Namespaces::default()) {
                let (stored, _) = checked.first_key_value().unwrap();
                // What the runtime does with it: dots become slashes below /proc/sys.
                let path = stored.replace('.', "/");
                prop_assert!(path.split('/').all(|word| !word.is_empty() && word != ".."));
                prop_assert!(
                    path.starts_with("net/") || path.starts_with("fs/mqueue/")
                        || IPC.contains(&stored.as_str()) || stored == "kernel.domainname"
                );
            }
        }
    }
}

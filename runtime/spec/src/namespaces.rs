//! Which namespaces a container has of its own, joins, or shares with the host
//! (runtime-spec, config-linux.md, "Namespaces").

use std::path::PathBuf;

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType};

/// Why a namespace request is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NamespaceError {
    /// Ids would have to be mapped, which nothing here does yet.
    #[error("a user namespace of the container's own is not supported")]
    User,
    /// A namespace file is named by an absolute path.
    #[error("path {0:?} of a namespace is not absolute")]
    Relative(PathBuf),
    /// Would be set on the host or on somebody else's container.
    #[error("{0} needs a UTS namespace of the container's own")]
    NeedsUts(&'static str),
    /// Longer than the kernel's field, or with characters no name has.
    #[error("{0:?} is no host name: up to 64 letters, digits, '-', '_' and '.'")]
    HostName(String),
}

/// One namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Namespace {
    /// A new one.
    #[default]
    New,
    /// The runtime's.
    Host,
    /// The one a file stands for, such as `/proc/PID/ns/net` or `/run/netns/x`.
    Path(PathBuf),
    /// Another container's, by a file that stands for it: joined, and nothing is set in it.
    Shared(PathBuf),
}

/// The namespaces of a container; its mount namespace is always new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces {
    /// Interfaces, addresses, rules, ports.
    pub network: Namespace,
    /// System V IPC and POSIX message queues.
    pub ipc: Namespace,
    /// Process ids.
    pub pid: Namespace,
    /// Host and domain name.
    pub uts: Namespace,
    /// The root of what the container sees of the cgroup tree.
    pub cgroup: Namespace,
    /// User and group ids: only [`Namespace::Host`] is built so far.
    pub user: Namespace,
}

impl Default for Namespaces {
    fn default() -> Self {
        Self {
            network: Namespace::New,
            ipc: Namespace::New,
            pid: Namespace::New,
            uts: Namespace::New,
            cgroup: Namespace::New,
            user: Namespace::Host,
        }
    }
}

impl Namespaces {
    /// The list a specification carries.
    ///
    /// # Errors
    /// A user namespace, or a path that is not absolute.
    pub fn to_oci(&self) -> Result<Vec<LinuxNamespace>, NamespaceError> {
        if self.user != Namespace::Host {
            return Err(NamespaceError::User);
        }
        let mut list = vec![entry(LinuxNamespaceType::Mount, None)];
        for (kind, namespace) in [
            (LinuxNamespaceType::Network, &self.network),
            (LinuxNamespaceType::Ipc, &self.ipc),
            (LinuxNamespaceType::Pid, &self.pid),
            (LinuxNamespaceType::Uts, &self.uts),
            (LinuxNamespaceType::Cgroup, &self.cgroup),
        ] {
            match namespace {
                Namespace::New => list.push(entry(kind, None)),
                Namespace::Host => {}
                Namespace::Path(path) | Namespace::Shared(path) => {
                    if !path.is_absolute() {
                        return Err(NamespaceError::Relative(path.clone()));
                    }
                    list.push(entry(kind, Some(path)));
                }
            }
        }
        Ok(list)
    }
}

/// Checks a host or domain name and that there is a namespace to set it in.
///
/// # Errors
/// [`NamespaceError::HostName`], [`NamespaceError::NeedsUts`].
pub fn check_host_name(
    what: &'static str,
    name: &str,
    uts: &Namespace,
) -> Result<(), NamespaceError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return Err(NamespaceError::HostName(name.to_owned()));
    }
    if *uts != Namespace::New {
        return Err(NamespaceError::NeedsUts(what));
    }
    Ok(())
}

fn entry(kind: LinuxNamespaceType, path: Option<&PathBuf>) -> LinuxNamespace {
    let builder = LinuxNamespaceBuilder::default().typ(kind);
    let builder = match path {
        Some(path) => builder.path(path),
        None => builder,
    };
    builder.build().expect("no field of this builder is required")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_every_namespace_but_the_user_one_of_its_own() {
        let kinds: Vec<_> =
            Namespaces::default().to_oci().unwrap().iter().map(LinuxNamespace::typ).collect();
        assert_eq!(
            kinds,
            [
                LinuxNamespaceType::Mount,
                LinuxNamespaceType::Network,
                LinuxNamespaceType::Ipc,
                LinuxNamespaceType::Pid,
                LinuxNamespaceType::Uts,
                LinuxNamespaceType::Cgroup,
            ]
        );
    }

    #[test]
    fn host_namespaces_are_left_out_and_paths_are_joined() {
        let path = PathBuf::from("/proc/1/ns/net");
        let namespaces = Namespaces {
            network: Namespace::Path(path.clone()),
            pid: Namespace::Host,
            ..Default::default()
        };
        let list = namespaces.to_oci().unwrap();
        assert!(list.iter().all(|n| n.typ() != LinuxNamespaceType::Pid));
        let network = list.iter().find(|n| n.typ() == LinuxNamespaceType::Network).unwrap();
        assert_eq!(network.path(), &Some(path));
        let relative = Namespaces { ipc: Namespace::Path("ns/ipc".into()), ..Default::default() };
        assert!(matches!(relative.to_oci(), Err(NamespaceError::Relative(_))));
        let user = Namespaces { user: Namespace::New, ..Default::default() };
        assert_eq!(user.to_oci(), Err(NamespaceError::User));
    }

    #[test]
    fn host_names_are_plain_and_need_a_namespace() {
        assert_eq!(check_host_name("hostname", "web-1.example", &Namespace::New), Ok(()));
        for bad in ["", "a b", "a\n", "ü", &"x".repeat(65)] {
            assert!(check_host_name("hostname", bad, &Namespace::New).is_err(), "{bad:?}");
        }
        assert!(check_host_name("hostname", "web", &Namespace::Host).is_err());
    }
}

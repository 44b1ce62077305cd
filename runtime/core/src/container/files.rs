//! The files that docker's profile puts over the image's: hosts, hostname, resolv.conf. They lie in
//! the container's data folder and are bound into it, so that nobody writes through the image.

use std::fs;
use std::io;
use std::path::Path;

use isopod_sys::atomic::{self, Durability};

use super::Container;
use super::settings::{Namespace, Network, Profile};
use crate::{Error, Result};

/// Their names in the data folder and their places in a container.
pub(super) const FILES: [(&str, &str); 3] =
    [("hosts", "/etc/hosts"), ("hostname", "/etc/hostname"), ("resolv.conf", "/etc/resolv.conf")];

const LOCAL_HOSTS: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::\tip6-localnet\n\
    ff00::\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

impl Container<'_> {
    /// The hostname it sees; `None` where it is the host's own.
    #[must_use]
    pub fn hostname(&self) -> Option<String> {
        let settings = &self.record.settings;
        let shares_uts = settings.namespaces.uts != Namespace::Private;
        match (&settings.hostname, settings.profile) {
            (Some(name), _) => Some(name.clone()),
            (None, _) if shares_uts => None,
            // docker gives a container on the host's network the host's name.
            (None, Profile::Docker) if settings.network == Network::Host => host_name(),
            (None, Profile::Docker) => Some(self.id().get(..12).unwrap_or(self.id()).to_owned()),
            (None, Profile::Ctr) => None,
        }
    }

    /// Writes them before a start.
    pub(super) fn write_files(&self) -> Result<()> {
        if self.record.settings.profile != Profile::Docker {
            return Ok(());
        }
        let is_host = self.record.settings.network == Network::Host;
        let hosts = if is_host { host_file("/etc/hosts")? } else { LOCAL_HOSTS.to_owned() };
        let hostname = self.hostname().or_else(host_name).unwrap_or_default();
        let resolvers = match &self.record.settings.network {
            // Nothing can be reached, so nothing is to be asked.
            Network::None | Network::Networks(_) => String::new(),
            Network::Host | Network::Namespace(_) | Network::Container(_) => {
                host_file("/etc/resolv.conf")?
            }
        };
        for (name, text) in
            [("hosts", hosts), ("hostname", format!("{hostname}\n")), ("resolv.conf", resolvers)]
        {
            let path = self.data().join(name);
            atomic::write(&path, text.as_bytes(), 0o644, Durability::Process)
                .map_err(Error::io("cannot write", &path))?;
        }
        Ok(())
    }
}

fn host_name() -> Option<String> {
    let name = rustix::system::uname();
    name.nodename().to_str().ok().map(str::to_owned)
}

/// A file of the host's, or nothing where it has none.
fn host_file(path: &str) -> Result<String> {
    let path = Path::new(path);
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(Error::io("cannot read", path)),
    }
}

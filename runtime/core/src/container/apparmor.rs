//! The AppArmor profile that confined containers run under, loaded with the system's own
//! `apparmor_parser`, and whether one that is asked for by name is there (apparmor(7)).
//!
//! A kernel with AppArmor on a system without that program runs containers without a profile, as
//! docker does: all else that confines them stays.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Error, Result};

/// Its name, in the kernel and in a container's `config.json`.
pub(super) const DEFAULT: &str = "isopod-default";

/// `Y` where the kernel confines by profiles.
const ENABLED: &str = "/sys/module/apparmor/parameters/enabled";
/// The loaded ones, one a line: `name (mode)`.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";
/// Where Debian, Ubuntu and openSUSE have it. Not looked for elsewhere: it is executed as root.
const PARSERS: [&str; 2] = ["/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"];

/// What a confined container may not do, whoever it is inside, beyond what namespaces, capabilities and
/// read-only mounts already forbid: change the kernel's settings, mount, and reach for processes
/// that aren't under the profile. Whatever begins with `deny` wins over what allows.
const PROFILE: &str = "\
profile isopod-default flags=(attach_disconnected,mediate_deleted) {
  file,
  network,
  capability,
  umount,
  signal (receive) peer=unconfined,
  signal (send, receive) peer=isopod-default,
  ptrace (trace, read, tracedby, readby) peer=isopod-default,
  deny mount,

  deny /proc/* w,
  deny /proc/{acpi,asound,bus,driver,fs,irq,scsi,tty}/** w,
  deny /proc/{kcore,kmem,mem,sysrq-trigger} rwklx,
  deny /proc/sys/[^kn]** w,
  deny /proc/sys/kernel/[^ms]** w,
  deny /proc/sys/kernel/m[^s]** w,
  deny /proc/sys/kernel/s[^eh]** w,
  deny /proc/sys/kernel/seccomp/** w,

  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/{firmware,kernel/security,devices/virtual/powercap}/** rwklx,
}
";

/// Whether the kernel confines by profiles.
pub(super) fn is_on() -> bool {
    fs::read_to_string(ENABLED).is_ok_and(|enabled| enabled.starts_with('Y'))
}

/// On a kernel with AppArmor: the profile for containers that name none, loaded if it wasn't; `None`
/// where the system has no program to load one with.
///
/// # Errors
/// The program refused it.
pub(super) fn default_profile() -> Result<Option<String>> {
    if !is_loaded(DEFAULT)? {
        let Some(parser) = PARSERS.iter().find(|parser| Path::new(parser).exists()) else {
            return Ok(None);
        };
        load(Path::new(parser)).map_err(|source| Error::System {
            action: "cannot load the AppArmor profile isopod-default",
            source,
        })?;
    }
    Ok(Some(DEFAULT.to_owned()))
}

/// Refuses a profile that isn't there; which one says who asked for it.
///
/// # Errors
/// [`Error::Invalid`] with what to do.
pub(super) fn check_loaded(name: &str) -> Result<()> {
    if !is_loaded(name)? {
        return Err(Error::Invalid(format!(
            "AppArmor profile {name:?} is not loaded: load it with apparmor_parser first"
        )));
    }
    Ok(())
}

fn is_loaded(name: &str) -> Result<bool> {
    match fs::read_to_string(LOADED) {
        Ok(list) => Ok(names(&list).any(|loaded| loaded == name)),
        // Without securityfs nobody can tell, and the parser can't load either.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("cannot read", Path::new(LOADED))(error)),
    }
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter_map(|line| line.rsplit_once(" (").map(|(name, _)| name))
}

/// Replaces one of that name: others may be loading it at the same time.
fn load(parser: &Path) -> io::Result<()> {
    let mut command = Command::new(parser);
    command.args(["--replace", "--skip-cache"]).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(PROFILE.as_bytes())?;
    }
    let ended = child.wait_with_output()?;
    match ended.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&ended.stderr).trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel writes them (`security/apparmor/apparmorfs.c`).
    #[test]
    fn names_of_loaded_profiles_may_hold_blanks_and_parentheses() {
        let list = "isopod-default (enforce)\nmine (old) (complain)\n/usr/bin/man (enforce)\n";
        let expected = ["isopod-default", "mine (old)", "/usr/bin/man"];
        assert_eq!(names(list).collect::<Vec<_>>(), expected);
    }
}

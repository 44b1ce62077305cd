//! Host devices a container gets, and the rules of the device controller (runtime-spec,
//! config-linux.md, "Devices" and "Device list"). `/dev/null` and its kin come from the
//! runtime.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{
    LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType,
};

use crate::paths::{self, PathError};

/// Why a device is refused.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Not `host[:container[:access]]`.
    #[error("device {0:?} is not of the form host[:container[:access]]")]
    Malformed(String),
    /// Not made of r, w and m.
    #[error("device access {0:?} is not made of r, w and m")]
    Access(String),
    /// Not `type major:minor access`.
    #[error("device rule {0:?} is not of the form 'c 1:3 rwm'")]
    Rule(String),
    /// A path that is no path.
    #[error("devices are named by absolute paths")]
    Path(#[from] PathError),
    /// The runtime makes devices below `/dev` only.
    #[error("device {0:?} would not lie below /dev in the container")]
    OutsideDev(PathBuf),
    /// The host's file cannot be read.
    #[error("cannot look at device {path:?}")]
    Look {
        /// The host's path.
        path: PathBuf,
        /// What looking returned.
        source: io::Error,
    },
    /// A file, or a folder without devices.
    #[error("{0:?} is no device")]
    NotADevice(PathBuf),
}

/// `--device host[:container[:access]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRequest {
    /// The device, or a folder of devices, on the host.
    pub host: PathBuf,
    /// Where it lies in the container; below `/dev`.
    pub container: PathBuf,
    /// Some of `r`, `w`, `m`.
    pub access: String,
}

impl DeviceRequest {
    /// Reads `host[:container[:access]]`; a second word of only r, w and m is the access.
    ///
    /// # Errors
    /// See [`DeviceError`].
    pub fn parse(text: &str) -> Result<Self, DeviceError> {
        let words: Vec<_> = text.split(':').collect();
        let (host, container, access) = match words[..] {
            [host] => (host, host, "rwm"),
            [host, access] if is_access(access) => (host, host, access),
            [host, container] => (host, container, "rwm"),
            [host, container, access] => (host, container, access),
            _ => return Err(DeviceError::Malformed(text.to_owned())),
        };
        if host.is_empty() || container.is_empty() {
            return Err(DeviceError::Malformed(text.to_owned()));
        }
        if !is_access(access) {
            return Err(DeviceError::Access(access.to_owned()));
        }
        Ok(Self {
            host: paths::clean(Path::new(host))?,
            container: paths::clean(Path::new(container))?,
            access: access.to_owned(),
        })
    }

    /// The devices it stands for, with the rules that allow them; a folder stands for all
    /// below it.
    ///
    /// # Errors
    /// See [`DeviceError`].
    pub fn resolve(&self) -> Result<Vec<(LinuxDevice, LinuxDeviceCgroup)>, DeviceError> {
        let container = paths::destination(&self.container)?;
        if !container.starts_with("/dev") || container == Path::new("/dev") {
            return Err(DeviceError::OutsideDev(container));
        }
        let mut found = Vec::new();
        collect(&self.host, &container, &mut found)?;
        if found.is_empty() {
            return Err(DeviceError::NotADevice(self.host.clone()));
        }
        Ok(found.into_iter().map(|device| with_rule(device, &self.access)).collect())
    }
}

/// Every device node below the host's `/dev`, for a privileged container: without
/// terminals, shared memory and descriptors, which are the container's own.
///
/// # Errors
/// `/dev` cannot be read.
pub fn all_of_the_host() -> Result<Vec<LinuxDevice>, DeviceError> {
    let mut found = Vec::new();
    collect(Path::new("/dev"), Path::new("/dev"), &mut found)?;
    Ok(found)
}

/// Reads a rule like `c 1:3 rwm`, `b *:* m` or `a *:* rwm` (`--device-cgroup-rule`).
///
/// # Errors
/// [`DeviceError::Rule`].
pub fn parse_rule(text: &str) -> Result<LinuxDeviceCgroup, DeviceError> {
    let malformed = || DeviceError::Rule(text.to_owned());
    let words: Vec<_> = text.split(' ').collect();
    let [kind, numbers, access] = words[..] else { return Err(malformed()) };
    let kind = match kind {
        "a" => LinuxDeviceType::A,
        "b" => LinuxDeviceType::B,
        "c" => LinuxDeviceType::C,
        _ => return Err(malformed()),
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(malformed)?;
    if !is_access(access) {
        return Err(malformed());
    }
    let mut builder = LinuxDeviceCgroupBuilder::default().allow(true).typ(kind).access(access);
    for (text, is_major) in [(major, true), (minor, false)] {
        if text == "*" {
            continue;
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u32>().ok().filter(|_| digits).ok_or_else(malformed)?;
        builder = match is_major {
            true => builder.major(i64::from(number)),
            false => builder.minor(i64::from(number)),
        };
    }
    Ok(builder.build().expect(UNREQUIRED))
}

/// The rule before all others: nothing, or for a privileged container everything.
#[must_use]
pub fn first_rule(everything: bool) -> LinuxDeviceCgroup {
    let builder = LinuxDeviceCgroupBuilder::default().allow(everything).access("rwm");
    builder.build().expect(UNREQUIRED)
}

const UNREQUIRED: &str = "no field of this builder is required";

fn is_access(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 3
        && text.bytes().all(|b| b"rwm".contains(&b))
        && ["r", "w", "m"].iter().all(|letter| text.matches(letter).count() <= 1)
}

fn with_rule(device: LinuxDevice, access: &str) -> (LinuxDevice, LinuxDeviceCgroup) {
    let rule = LinuxDeviceCgroupBuilder::default()
        .allow(true)
        .typ(device.typ())
        .major(device.major())
        .minor(device.minor())
        .access(access)
        .build()
        .expect(UNREQUIRED);
    (device, rule)
}

/// Folders of `/dev` that are file systems of their own, and files a container has itself.
const SKIPPED: [&str; 9] =
    ["pts", "shm", "fd", "mqueue", "hugepages", ".lxc", ".udev", "console", "ptmx"];

fn collect(host: &Path, container: &Path, found: &mut Vec<LinuxDevice>) -> Result<(), DeviceError> {
    let look = |source| DeviceError::Look { path: host.to_owned(), source };
    let metadata = fs::metadata(host).map_err(look)?;
    if !metadata.is_dir() {
        let device = to_device(&metadata, container);
        found.push(device.ok_or_else(|| DeviceError::NotADevice(host.to_owned()))?);
        return Ok(());
    }
    let mut entries: Vec<_> =
        fs::read_dir(host).map_err(look)?.collect::<Result<_, _>>().map_err(look)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        if SKIPPED.iter().any(|skipped| name == **skipped) {
            continue;
        }
        let (host, container) = (host.join(&name), container.join(&name));
        let Ok(kind) = entry.file_type() else { continue };
        // Inside a folder only nodes count: a symlink there names one that is listed
        // under its own name, or something that is not below it.
        if kind.is_dir() {
            collect(&host, &container, found)?;
        } else if let Ok(metadata) = fs::symlink_metadata(&host) {
            found.extend(to_device(&metadata, &container));
        }
    }
    Ok(())
}

fn to_device(metadata: &fs::Metadata, container: &Path) -> Option<LinuxDevice> {
    let kind = metadata.file_type();
    let typ = match (kind.is_block_device(), kind.is_char_device()) {
        (true, _) => LinuxDeviceType::B,
        (_, true) => LinuxDeviceType::C,
        _ => return None,
    };
    let number = metadata.rdev();
    let device = LinuxDeviceBuilder::default()
        .path(container)
        .typ(typ)
        .major(i64::from(rustix::fs::major(number)))
        .minor(i64::from(rustix::fs::minor(number)))
        .file_mode(metadata.mode() & 0o7777)
        .uid(metadata.uid())
        .gid(metadata.gid())
        .build();
    Some(device.expect(UNREQUIRED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn devices_are_read_with_container_path_and_access() {
        for (text, host, container, access) in [
            ("/dev/fuse", "/dev/fuse", "/dev/fuse", "rwm"),
            ("/dev/fuse:r", "/dev/fuse", "/dev/fuse", "r"),
            ("/dev/fuse:/dev/other", "/dev/fuse", "/dev/other", "rwm"),
            ("/dev/fuse:/dev/other:rw", "/dev/fuse", "/dev/other", "rw"),
        ] {
            let request = DeviceRequest::parse(text).unwrap();
            assert_eq!(request.host, Path::new(host), "{text}");
            assert_eq!(request.container, Path::new(container), "{text}");
            assert_eq!(request.access, access, "{text}");
        }
        for text in [
            "",
            ":",
            "fuse",
            "/dev/fuse:",
            "/dev/a:/dev/b:",
            "/dev/a:/dev/b:x",
            "/dev/a:/dev/b:rr",
            "/a:/b:r:w",
        ] {
            assert!(DeviceRequest::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_device_keeps_its_numbers_and_gets_its_rule() {
        let request = DeviceRequest::parse("/dev/zero:/dev/mine:r").unwrap();
        let resolved = request.resolve().unwrap();
        let [(device, rule)] = &resolved[..] else { panic!("{resolved:?}") };
        assert_eq!(device.path(), Path::new("/dev/mine"));
        assert_eq!((device.typ(), device.major(), device.minor()), (LinuxDeviceType::C, 1, 5));
        assert_eq!(rule.to_string(), "c 1:5 r");
        assert!(rule.allow());
    }

    #[test]
    fn what_is_no_device_or_outside_dev_is_refused() {
        let resolve = |text: &str| DeviceRequest::parse(text).unwrap().resolve();
        assert!(matches!(resolve("/etc/passwd:/dev/x"), Err(DeviceError::NotADevice(_))));
        assert!(matches!(resolve("/dev/not-there"), Err(DeviceError::Look { .. })));
        assert!(matches!(resolve("/dev/zero:/etc/x"), Err(DeviceError::OutsideDev(_))));
        assert!(matches!(resolve("/dev/zero:/dev/../etc/x"), Err(DeviceError::OutsideDev(_))));
        assert!(matches!(resolve("/dev/zero:/dev"), Err(DeviceError::OutsideDev(_))));
    }

    #[test]
    fn a_privileged_container_sees_the_nodes_of_the_host_but_its_terminals() {
        let all = all_of_the_host().unwrap();
        let paths: Vec<_> = all.iter().map(|device| device.path().as_path()).collect();
        assert!(paths.contains(&Path::new("/dev/null")));
        assert!(!paths.iter().any(|path| path.starts_with("/dev/pts")));
        assert!(!paths.contains(&Path::new("/dev/console")));
    }

    #[test]
    fn rules_are_read_in_the_kernels_form() {
        for text in ["c 1:3 rwm", "b 8:* r", "a *:* rwm", "c *:5 wm"] {
            assert_eq!(parse_rule(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "c 1:3",
            "d 1:3 r",
            "c 1 r",
            "c 1:3 x",
            "c -1:3 r",
            "c 1:3 r extra",
            "c 1:3  r",
            "c 1:3 r\nc 1:4 r",
        ] {
            assert!(parse_rule(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_rule_is_one_line_whatever_it_was_made_of(text in "[abc *0-9:rwm\n]{0,16}") {
            if let Ok(rule) = parse_rule(&text) {
                prop_assert_eq!(rule.to_string().lines().count(), 1);
            }
        }

        #[test]
        fn no_device_text_panics(text in "[/a:rwm\\PC]{0,24}") {
            let _ = DeviceRequest::parse(&text);
        }
    }
}

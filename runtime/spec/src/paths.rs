//! Paths inside a container: destinations of mounts and volumes, the working directory, and
//! the kernel's paths that containers must not see or write.

use std::path::{Component, Path, PathBuf};

/// Kernel paths hidden from a confined container: they leak from the host or change it.
///
/// The list of moby; masking `/proc/interrupts` and powercap stops power and timing side
/// channels.
pub const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Kernel paths a confined container may only read.
pub const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What becomes of [`MASKED`] and [`READ_ONLY`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SystemPaths {
    /// Both lists.
    #[default]
    Default,
    /// Neither (`--security-opt systempaths=unconfined`).
    Unconfined,
    /// Lists of the caller's own, as CRI gives them.
    Custom {
        /// Hidden.
        masked: Vec<String>,
        /// Read-only.
        read_only: Vec<String>,
    },
}

/// Why a path is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathError {
    /// Does not begin with a slash.
    #[error("path {0:?} is not absolute")]
    Relative(PathBuf),
    /// The root itself.
    #[error("path {0:?} is the root of the container")]
    Root(PathBuf),
    /// `..` in what an image says.
    #[error("path {0:?} climbs with '..'")]
    Climbs(PathBuf),
    /// No path can hold one.
    #[error("path {0:?} contains a NUL or newline")]
    Control(PathBuf),
}

/// The absolute path without `.`, `..`, double and trailing slashes; `..` at the root stays
/// there. Purely textual: symlinks are the business of whoever opens the path.
///
/// # Errors
/// [`PathError::Relative`], [`PathError::Control`].
pub fn clean(path: &Path) -> Result<PathBuf, PathError> {
    if !path.is_absolute() {
        return Err(PathError::Relative(path.to_owned()));
    }
    if path.as_os_str().as_encoded_bytes().iter().any(|b| *b == 0 || *b == b'\n') {
        return Err(PathError::Control(path.to_owned()));
    }
    let mut cleaned = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(cleaned)
}

/// A place for a mount: [`clean`], and not the root.
///
/// # Errors
/// See [`PathError`].
pub fn destination(path: &Path) -> Result<PathBuf, PathError> {
    let cleaned = clean(path)?;
    if cleaned == Path::new("/") {
        return Err(PathError::Root(path.to_owned()));
    }
    Ok(cleaned)
}

/// A place an image asks a volume for: [`destination`], and without any `..`.
///
/// # Errors
/// See [`PathError`].
pub fn image_destination(path: &Path) -> Result<PathBuf, PathError> {
    if path.components().any(|c| c == Component::ParentDir) {
        return Err(PathError::Climbs(path.to_owned()));
    }
    destination(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_cleaned_without_leaving_the_root() {
        for (path, cleaned) in
            [("/", "/"), ("//data//", "/data"), ("/a/./b/../c", "/a/c"), ("/../../etc", "/etc")]
        {
            assert_eq!(clean(Path::new(path)), Ok(PathBuf::from(cleaned)), "{path}");
        }
        assert!(matches!(clean(Path::new("data")), Err(PathError::Relative(_))));
        assert!(matches!(clean(Path::new("/a\nb")), Err(PathError::Control(_))));
        assert!(matches!(destination(Path::new("/a/..")), Err(PathError::Root(_))));
        assert!(matches!(image_destination(Path::new("/a/../b")), Err(PathError::Climbs(_))));
    }

    #[test]
    fn nothing_the_peers_hide_is_shown() {
        // What `runc spec` writes, which is the least every runtime agrees on.
        let folder = tempfile::tempdir().unwrap();
        let runc = std::process::Command::new("runc")
            .args(["spec", "--bundle"])
            .arg(folder.path())
            .status();
        assert!(runc.unwrap().success());
        let text = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
        let spec: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (key, ours) in [("maskedPaths", &MASKED[..]), ("readonlyPaths", &READ_ONLY[..])] {
            for path in spec["linux"][key].as_array().unwrap() {
                assert!(ours.contains(&path.as_str().unwrap()), "{path}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_cleaned_path_is_absolute_and_plain(path in "/?[./a\\PC]{0,30}") {
            if let Ok(cleaned) = clean(Path::new(&path)) {
                prop_assert!(cleaned.is_absolute());
                prop_assert!(!cleaned.components().any(|c| c == Component::ParentDir));
                prop_assert_eq!(clean(&cleaned), Ok(cleaned.clone()));
            }
        }
    }
}

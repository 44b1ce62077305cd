//! `tmpcopyup`, by which engines ask that a tmpfs begins with what the image has in its place (podman's `--read-only` and
//! `--tmpfs`). libcontainer would hand the word to the kernel, which has no such option. Where there is nothing to
//! copy, it is done as it stands; anything else is refused: nothing is accepted and ignored.

use std::path::Path;

use isopod_sys::root::Root;
use oci_spec::runtime::Spec;
use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

use super::{OciError, Result, system};

const WORD: &str = "tmpcopyup";

/// Takes the word out of the options of mounts that need nothing copied from `rootfs`.
pub fn take(spec: &mut Spec, rootfs: &Path) -> Result<()> {
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    let asks = |options: &Option<Vec<String>>| options.iter().flatten().any(|one| one == WORD);
    if !mounts.iter().any(|mount| asks(mount.options())) {
        return Ok(());
    }
    let root = Root::open(rootfs).map_err(system("open the root file system"))?;
    for mount in &mut mounts {
        if !asks(mount.options()) {
            continue;
        }
        let place = Path::new("/").join(mount.destination());
        let shown = place.display();
        if mount.typ().as_deref() != Some("tmpfs") {
            return Err(OciError::Spec(format!("mount {shown}: {WORD} is for tmpfs alone")));
        }
        if !is_empty(&root, &place)? {
            return Err(OciError::Spec(format!(
                "mount {shown}: {WORD} is not supported where the image has something, and {shown} is not empty"
            )));
        }
        let mut options = mount.options().clone().unwrap_or_default();
        options.retain(|option| option != WORD);
        mount.set_options(Some(options));
    }
    spec.set_mounts(Some(mounts));
    Ok(())
}

/// Whether nothing is in the folder; one that is not there is made for the mount.
fn is_empty(root: &Root, place: &Path) -> Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let folder = match root.open_path(place, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => return Ok(true),
        Err(error) => return Err(system("open the place of a tmpfs")(error)),
    };
    let failed = |error: Errno| system("read the place of a tmpfs")(error);
    for entry in Dir::new(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if ![&b"."[..], b".."].contains(&name) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn taken(rootfs: &Path, kind: &str, place: &str) -> Result<Vec<String>> {
        let options = ["rw", WORD, "nodev"];
        let mount = serde_json::json!({"destination": place, "type": kind, "options": options});
        let spec = serde_json::json!({"ociVersion": "1.0.2", "mounts": [mount]});
        let mut spec: Spec = serde_json::from_value(spec).unwrap();
        take(&mut spec, rootfs)?;
        Ok(spec.mounts().clone().unwrap()[0].options().clone().unwrap())
    }

    #[test]
    fn only_what_has_something_to_be_copied_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("full/sub")).unwrap();
        fs::create_dir(root.path().join("empty")).unwrap();
        // Inside of the root, whatever is there outside.
        symlink("/empty", root.path().join("link")).unwrap();
        symlink("/full", root.path().join("other")).unwrap();
        for place in ["/empty", "empty", "/absent", "/link", "/absent/below"] {
            assert_eq!(taken(root.path(), "tmpfs", place).unwrap(), ["rw", "nodev"], "{place}");
        }
        for (kind, place) in [("tmpfs", "/full"), ("tmpfs", "/other"), ("bind", "/empty")] {
            let error = taken(root.path(), kind, place).unwrap_err().to_string();
            assert!(error.contains(place) && error.contains(WORD), "{error}");
        }
    }
}

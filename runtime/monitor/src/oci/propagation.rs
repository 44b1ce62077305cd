//! What mounts ask of the propagation of later ones. libcontainer passes it to the kernel with the flags of the
//! mount, where the kernel ignores it or takes it for another call (mount(2)): it is set afterwards, by a process that
//! joins the container's mounts.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use isopod_sys::process::fork;
use oci_spec::runtime::Spec;
use rustix::mount::{MountPropagationFlags as Flags, mount_change};
use rustix::process::{WaitOptions, waitpid};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{OciError, Result, system};

/// Status of the child that could not join.
const APART: i32 = 255;

/// A mount's destination, and what is asked for it.
pub type Wish = (PathBuf, Flags);

/// Takes what the mounts of `spec` ask for out of their options: one wish a word, in their order, as runc has it.
pub fn take(spec: &mut Spec) -> Vec<Wish> {
    let mut wishes = Vec::new();
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    for mount in &mut mounts {
        let place = Path::new("/").join(mount.destination());
        let mut options = mount.options().clone().unwrap_or_default();
        let before = wishes.len();
        options.retain(|option| match flags(option) {
            Some(flags) => {
                wishes.push((place.clone(), flags));
                false
            }
            None => true,
        });
        if wishes.len() > before {
            mount.set_options(Some(options));
        }
    }
    if !wishes.is_empty() {
        spec.set_mounts(Some(mounts));
    }
    wishes
}

/// Does what was asked in the mount namespace of process `pid`, whose program doesn't run yet: no path there can
/// be changed meanwhile, and all are followed inside of its root.
pub fn set(pid: i32, wishes: &[Wish]) -> Result<()> {
    if wishes.is_empty() {
        return Ok(());
    }
    let namespace = File::open(format!("/proc/{pid}/ns/mnt"))
        .map_err(system("open the container's mount namespace"))?;
    let child = fork(|| {
        // The root and the working folder become those of the namespace.
        if move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount)).is_err() {
            return APART;
        }
        let refused = wishes.iter().position(|(place, flags)| mount_change(place, *flags).is_err());
        refused.map_or(0, |number| i32::try_from(number + 1).unwrap_or(APART))
    })
    .map_err(system("start a process for mounts"))?;
    let status = match waitpid(Some(child), WaitOptions::empty()) {
        Ok(status) => status.and_then(|(_, status)| status.exit_status()).unwrap_or(APART),
        Err(error) => return Err(OciError::System("wait for a process", error.into())),
    };
    match usize::try_from(status).ok().and_then(|status| wishes.get(status.checked_sub(1)?)) {
        None if status == 0 => Ok(()),
        None => Err(OciError::System("join the container's mounts", io::ErrorKind::Other.into())),
        Some((place, _)) => {
            let place = place.display();
            Err(OciError::Start(format!("cannot set the propagation of mount {place}")))
        }
    }
}

fn flags(option: &str) -> Option<Flags> {
    Some(match option {
        "private" => Flags::PRIVATE,
        "rprivate" => Flags::PRIVATE | Flags::REC,
        "slave" => Flags::DOWNSTREAM,
        "rslave" => Flags::DOWNSTREAM | Flags::REC,
        "shared" => Flags::SHARED,
        "rshared" => Flags::SHARED | Flags::REC,
        "unbindable" => Flags::UNBINDABLE,
        "runbindable" => Flags::UNBINDABLE | Flags::REC,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn propagation_is_taken_from_the_options_in_its_order() {
        let mount = |options: &[&str]| serde_json::json!({"destination": "a", "options": options});
        let mounts = [mount(&["rbind", "rslave", "ro", "shared"]), mount(&["bind"])];
        let spec = serde_json::json!({"ociVersion": "1.0.2", "mounts": mounts});
        let mut spec: Spec = serde_json::from_value(spec).unwrap();
        let wishes = take(&mut spec);
        let place = PathBuf::from("/a");
        let slave = Flags::DOWNSTREAM | Flags::REC;
        assert_eq!(wishes, [(place.clone(), slave), (place, Flags::SHARED)]);
        let left = spec.mounts().clone().unwrap();
        assert_eq!(left[0].options().as_deref().unwrap(), ["rbind", "ro"]);
        assert_eq!(left[1].options().as_deref().unwrap(), ["bind"]);
    }
}

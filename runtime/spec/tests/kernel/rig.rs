//! A busybox root file system, a bundle around it, and the two runtimes that run it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use isopod_image::config::ContainerConfig;
use isopod_spec::{Host, Profile, SpecRequest};
use isopod_sys::root::Root;
use oci_spec::runtime::{Capability, LinuxCapabilities, LinuxSeccomp, Spec};
use tempfile::TempDir;

use crate::launch::CONFINEMENT;

/// Which runtime executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// With the filter assembled by this project.
    Libcontainer,
    Runc,
}

/// All.
pub const RUNTIMES: [Runtime; 2] = [Runtime::Libcontainer, Runtime::Runc];

static COUNTER: AtomicU32 = AtomicU32::new(0);

pub struct Rig {
    folder: TempDir,
    pub image: ContainerConfig,
    pub host: Host,
    id: String,
}

impl Rig {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rootfs = folder.path().join("rootfs");
        for place in ["bin", "etc", "data", "tmp"] {
            fs::create_dir_all(rootfs.join(place)).unwrap();
        }
        fs::copy("/bin/busybox", rootfs.join("bin/busybox")).expect("busybox-static is installed");
        for applet in [
            "sh", "cat", "id", "grep", "mkdir", "unshare", "hostname", "true", "ls", "wc", "touch",
            "head", "env",
        ] {
            symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
        }
        let passwd = "root:x:0:0::/root:/bin/sh\nredis:x:999:1000::/data:/bin/sh\n";
        fs::write(rootfs.join("etc/passwd"), passwd).unwrap();
        fs::write(rootfs.join("etc/group"), "redis:x:1000:\naudio:x:29:redis\n").unwrap();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        Self {
            folder,
            image: ContainerConfig::default(),
            host: Host::detect().unwrap(),
            id: format!("isopod-spec-{}-{number}", std::process::id()),
        }
    }

    pub fn rootfs(&self) -> PathBuf {
        self.folder.path().join("rootfs")
    }

    /// Runs `script` with the request `change` makes of the default one.
    pub fn run(
        &self,
        runtime: Runtime,
        script: &str,
        change: impl FnOnce(&mut SpecRequest<'_>),
    ) -> Output {
        let root = Root::open(&self.rootfs()).unwrap();
        let mut request =
            SpecRequest::new(&self.image, &root, "rootfs", &self.host, Profile::Docker);
        request.process.args = ["sh", "-c", script].map(str::to_owned).to_vec();
        request.cgroups_path = Some(format!("/{}", self.id).into());
        change(&mut request);
        let mut spec = isopod_spec::build(&request).unwrap();
        let confinement = self.folder.path().join(CONFINEMENT);
        fs::remove_file(&confinement).ok();
        let mut command = match runtime {
            Runtime::Libcontainer => {
                if let Some(own) = take_confinement(&mut spec) {
                    fs::write(confinement, serde_json::to_vec(&own).unwrap()).unwrap();
                }
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.arg("launch").arg(self.folder.path());
                command.arg(self.folder.path().join("state")).arg(&self.id);
                command
            }
            Runtime::Runc => {
                let mut command = Command::new("runc");
                command.arg("--root").arg(self.folder.path().join("runc"));
                command.args(["run", "--bundle"]).arg(self.folder.path()).arg(&self.id);
                command
            }
        };
        spec.save(self.folder.path().join("config.json")).unwrap();
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// As [`Rig::run`], and what it printed; a failure ends the case.
    pub fn output(
        &self,
        runtime: Runtime,
        script: &str,
        change: impl FnOnce(&mut SpecRequest<'_>),
    ) -> String {
        let output = self.run(runtime, script, change);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{runtime:?} {}: {out}{err}", output.status);
        out
    }
}

/// Takes the filter out, and leaves the process what it takes to load it and give that up again.
fn take_confinement(spec: &mut Spec) -> Option<(LinuxSeccomp, LinuxCapabilities)> {
    let mut linux = spec.linux().clone()?;
    let filter = linux.seccomp().clone()?;
    linux.set_seccomp(None);
    spec.set_linux(Some(linux));
    let mut process = spec.process().clone()?;
    let own = process.capabilities().clone()?;
    let with = |set: &Option<std::collections::HashSet<Capability>>| {
        let mut set = set.clone().unwrap();
        set.extend([Capability::SysAdmin, Capability::Setpcap]);
        Some(set)
    };
    let mut provisional = own.clone();
    provisional
        .set_bounding(with(own.bounding()))
        .set_permitted(with(own.permitted()))
        .set_effective(with(own.effective()));
    process.set_capabilities(Some(provisional));
    spec.set_process(Some(process));
    Some((filter, own))
}

/// A container that failed half-way leaves its cgroup, and one that should not have been
/// able to, the folder `inside` it; both are empty by now.
impl Drop for Rig {
    fn drop(&mut self) {
        let root = Path::new("/sys/fs/cgroup");
        let hierarchies = fs::read_dir(root).into_iter().flatten().flatten();
        let places = hierarchies.map(|entry| entry.path()).chain([root.to_owned()]);
        for place in places.map(|hierarchy| hierarchy.join(&self.id)) {
            fs::remove_dir(place.join("inside")).ok();
            fs::remove_dir(place).ok();
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! A busybox root file system, a bundle around it, and the two runtimes that run it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use isopod_image::config::ContainerConfig;
use isopod_spec::{Host, Profile, SpecRequest, libcontainer};
use isopod_sys::root::Root;
use tempfile::TempDir;

use crate::launch::OWN_FILTER;

/// Which runtime executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    Libcontainer,
    /// libcontainer, with the filter assembled and loaded by this project. Such a process
    /// cannot gain privileges.
    Assembled,
    Runc,
}

/// The two that read the whole document.
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
        request.security.no_new_privileges = runtime == Runtime::Assembled;
        change(&mut request);
        let mut spec = isopod_spec::build(&request).unwrap();
        let own_filter = self.folder.path().join(OWN_FILTER);
        fs::remove_file(&own_filter).ok();
        if runtime == Runtime::Assembled {
            let filter = libcontainer::take_filter(&mut spec).unwrap();
            fs::write(own_filter, serde_json::to_vec(&filter).unwrap()).unwrap();
        }
        let mut command = match runtime {
            Runtime::Libcontainer | Runtime::Assembled => {
                libcontainer::adapt(&mut spec);
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

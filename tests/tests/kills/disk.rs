//! A disk that can lose its power: ext4 on a loop device, which can be told to forget all that was not synced
//! (`EXT4_IOC_SHUTDOWN`, linux/ext4.h: fs/ext4/ioctl.c). What is mounted again then is what its journal has.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use isopod_tests::{Invocation, TestContext, leftovers, orphans, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::instance::Instance;

/// Asks for the shutdown of a file system, `FS_GOING_FLAGS_NOLOGFLUSH`: `_IOR('X', 125, __u32)` with 2.
const GOES_DOWN: &str = "import fcntl, os, struct, sys
folder = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(folder, 0x8004587D, struct.pack('I', 2))";

/// A boot looks to a program as one when it has another id; everything else of it we do ourselves. The disk is
/// mounted in a mount namespace of the boot's own, where nobody else gets a copy of the mount; bridges are made in
/// a network namespace that goes with the boot, as they do.
const BOOTS: &str = r#"mount -o loop "$0" "$1" && mount --bind "$2" /proc/sys/kernel/random/boot_id &&
echo up && exec sleep 100000"#;

/// What runs in a boot runs in the folder that it was started in.
const RUNS: &str = r#"cd "$0" && exec "$@""#;

pub struct Disk {
    image: PathBuf,
    at: PathBuf,
    home: PathBuf,
    boots: u32,
    boot: Child,
}

impl Disk {
    /// Of 512 MB, as the instance's root.
    pub fn new(context: &TestContext) -> Self {
        let [image, at, home] = ["disk.img", "root", "home"].map(|name| context.path(name));
        let file = fs::File::create(&image).expect("the folder is ours");
        file.set_len(512 << 20).expect("it is sparse");
        Invocation::new("mkfs.ext4", ["-q", &image.to_string_lossy()]).run().succeeds();
        let boot = boots(&image, &at, 1);
        Self { image, at, home, boots: 1, boot }
    }

    /// A command of this boot.
    pub fn command<'a>(
        &self,
        context: &TestContext,
        program: &Path,
        words: impl IntoIterator<Item = &'a str>,
    ) -> Invocation {
        let words: Vec<&str> = words.into_iter().collect();
        let boot = self.boot.id();
        let mut all = vec![format!("--mount=/proc/{boot}/ns/mnt")];
        // The registries are where the tests are.
        if words.first() != Some(&"pull") {
            all.push(format!("--net=/proc/{boot}/ns/net"));
        }
        let [home, program] = [&self.home, program].map(|path| path.to_string_lossy().into_owned());
        all.extend(["--", "sh", "-c", RUNS, &home, &program].map(str::to_owned));
        all.extend(words.into_iter().map(str::to_owned));
        context.command_of("nsenter", all)
    }

    /// The instance's root as this process reaches it.
    pub fn root(&self) -> PathBuf {
        let below = self.at.strip_prefix("/").expect("temporary folders are absolute");
        PathBuf::from(format!("/proc/{}/root", self.boot.id())).join(below)
    }

    fn is_mounted(&self) -> bool {
        let path = self.image.to_string_lossy();
        !Invocation::new("losetup", ["-j", &path]).run().stdout.is_empty()
    }
}

/// Mounts the disk in a namespace that lives as long as the child.
fn boots(image: &Path, at: &Path, number: u32) -> Child {
    let id = image.with_file_name(format!("boot-{number}"));
    fs::write(&id, format!("00000000-0000-4000-8000-{number:012}\n")).expect("the folder is ours");
    let mut command = Command::new("unshare");
    command
        .args(["-m", "-n", "--propagation", "private", "sh", "-c", BOOTS])
        .args([image, at, &id]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("util-linux is there");
    let mut said = [0; 2];
    let output = child.stdout.as_mut().expect("it is piped");
    output.read_exact(&mut said).expect("it boots");
    child
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.boot.kill().ok();
        self.boot.wait().ok();
    }
}

impl Instance {
    /// Everything so far survives.
    pub fn sync(&self) {
        let disk = self.disk.as_ref().expect("it is on a disk");
        let at = disk.at.to_string_lossy();
        disk.command(&self.context, Path::new("sync"), ["-f", &at]).run().succeeds();
    }

    /// What was not synced is gone, as is everything that ran; then the machine is there again.
    pub fn loses_power(&mut self) {
        let disk = self.disk.as_mut().expect("it is on a disk");
        let words = ["-c", GOES_DOWN, &disk.at.to_string_lossy()];
        disk.command(&self.context, Path::new("python3"), words).run().succeeds();
        disk.boot.kill().expect("it is our child");
        disk.boot.wait().expect("it is our child");
        until("the end of all processes", || {
            // Nobody else has this folder in a mount namespace.
            for (pid, _) in leftovers::processes_that_hold(self.context.folder()) {
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
            orphans::reap();
            leftovers::processes_that_hold(self.context.folder()).is_empty() && !disk.is_mounted()
        });
        for name in leftovers::cgroups_below(&self.context.cgroup()) {
            fs::remove_dir(name).ok();
        }
        // It lies on a tmpfs, says the manual.
        let state = self.context.path("state");
        fs::remove_dir_all(&state).expect("nothing is mounted there");
        fs::create_dir(&state).expect("it was there");
        disk.boots += 1;
        disk.boot = boots(&disk.image, &disk.at, disk.boots);
    }
}

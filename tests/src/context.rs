//! One instance of Isopod for one test.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::{Fixtures, Invocation, NetworkNamespace, Outcome, Terminal, binary, leftovers};

/// How long what a stopped container leaves may take to go.
const SETTLING: Duration = Duration::from_secs(20);

/// A root, a state folder, a home, a cgroup and a tree of `hosts.toml` files of its own.
///
/// They are passed by environment and configuration file, which every personality reads. When it goes, it
/// removes all containers and then looks: a mount, a process or a cgroup that is left
/// fails the test that left it.
#[derive(Debug)]
pub struct TestContext {
    folder: TempDir,
    binary: PathBuf,
    hosts: Vec<PathBuf>,
    host: Option<NetworkNamespace>,
}

impl TestContext {
    /// Without any registry: nothing but what the test itself configures is reachable.
    pub fn without_registries() -> Self {
        // Short, as sockets are made in it: their paths end at 107 bytes (unix(7)).
        let folder = tempfile::Builder::new().prefix("t").tempdir().expect("a temporary folder");
        let context = Self {
            hosts: vec![folder.path().join("certs.d")],
            binary: binary::isopod(),
            folder,
            host: None,
        };
        for name in ["root", "state", "home", "bin", "certs.d"] {
            fs::create_dir(context.path(name)).expect("the folder is new");
        }
        // Its own, so that what the machine is configured with changes no test.
        let config = format!("cgroup_parent = \"/{}\"\n", context.cgroup());
        fs::write(context.path("config.toml"), config).expect("the folder is new");
        context
    }

    /// With `docker.io` answered by the test registry, and each test registry by itself.
    pub fn new() -> (Self, Fixtures) {
        let fixtures = Fixtures::load();
        let mut context = Self::without_registries();
        context.hosts.push(fixtures.hosts_dir.clone());
        (context, fixtures)
    }

    /// With these images of `docker.io` in its store.
    pub fn with<const N: usize>(images: [&str; N]) -> Self {
        let (context, _) = Self::new();
        for image in images {
            context.pull(image);
        }
        context
    }

    /// As [`TestContext::with`]; from then on every command runs in a network namespace of the test's
    /// own, which stands for the host. Nothing can be pulled there.
    pub fn networked<const N: usize>(images: [&str; N]) -> Self {
        let mut context = Self::with(images);
        context.host = Some(NetworkNamespace::new());
        context
    }

    /// The test's own «host».
    #[track_caller]
    pub fn host(&self) -> &NetworkNamespace {
        self.host.as_ref().expect("TestContext::networked makes one")
    }

    /// A file or folder of this instance: `root`, `state`, `home`, or the test's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The cgroup below which everything of this instance runs, in every hierarchy.
    pub fn cgroup(&self) -> String {
        let unique = self.folder.path().file_name().expect("a temporary folder has a name");
        format!("isopod-{}", unique.to_string_lossy())
    }

    /// Writes `hosts.toml` for one registry, ahead of the test registries' own.
    pub fn configure_host(&self, host: &str, toml: &str) {
        let folder = self.path("certs.d").join(host);
        fs::create_dir_all(&folder).expect("the tree is ours");
        fs::write(folder.join("hosts.toml"), toml).expect("the tree is ours");
    }

    /// Runs `isopod` to its end.
    #[track_caller]
    pub fn isopod<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Outcome {
        self.command(args).run()
    }

    /// `isopod`, not started yet.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Invocation {
        self.within(Invocation::new(&self.binary, args))
    }

    /// Another program with this instance's environment; for what only a shell can say.
    pub fn command_of<A: AsRef<OsStr>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Invocation {
        self.within(Invocation::new(program, args))
    }

    /// The same binary under the name of one of its personalities, by a symbolic link.
    pub fn personality<A: AsRef<OsStr>>(
        &self,
        name: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Invocation {
        let link = self.path("bin").join(name);
        if !link.exists() {
            symlink(&self.binary, &link).expect("the folder is ours");
        }
        self.within(Invocation::new(link, args))
    }

    /// `isopod` at a pseudo-terminal.
    pub fn terminal<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Terminal {
        Terminal::start(self.command(args))
    }

    fn within(&self, invocation: Invocation) -> Invocation {
        let with = |invocation: Invocation, (name, value): (_, _)| invocation.env(name, value);
        let invocation = self.environment().into_iter().fold(invocation, with);
        let invocation = invocation.current_dir(self.path("home"));
        match &self.host {
            Some(host) => invocation.within(host),
            None => invocation,
        }
    }

    /// The variables by which a command finds this instance.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let hosts = std::env::join_paths(&self.hosts).expect("temporary paths hold no colon");
        vec![
            ("ISOPOD_ROOT", self.path("root").into()),
            ("ISOPOD_STATE", self.path("state").into()),
            ("ISOPOD_HOSTS_DIR", hosts),
            ("ISOPOD_CONFIG", self.path("config.toml").into()),
            ("HOME", self.path("home").into()),
            ("TMPDIR", self.folder().into()),
        ]
    }

    #[track_caller]
    pub fn pull(&self, reference: &str) -> &Self {
        self.isopod(["pull", "-q", reference]).succeeds();
        self
    }

    /// That nothing of it is damaged, as `system fsck` sees it: blobs are read, rows and folders held against each
    /// other, leftovers looked for. Without findings it takes some milliseconds.
    #[track_caller]
    pub fn is_sound(&self) -> &Self {
        self.isopod(["system", "fsck"]).succeeds().prints_nothing().complains_of_nothing();
        self
    }

    /// Full ids of all containers, running or not.
    pub fn containers(&self) -> Vec<String> {
        let listed = self.isopod(["ps", "-aq", "--no-trunc"]);
        listed.lines().into_iter().map(str::to_owned).collect()
    }

    /// Removes all containers and says what is left of them or of the folder.
    fn tear_down(&self) -> Result<(), String> {
        let containers = self.containers();
        let mut complaints = Vec::new();
        if !containers.is_empty() {
            let mut remove = vec!["rm", "-f"];
            remove.extend(containers.iter().map(String::as_str));
            let removed = self.isopod(remove);
            if removed.code != 0 {
                complaints.push(format!("containers could not be removed\n{removed}"));
            }
        }
        complaints.extend(self.remove_networks());
        let since = Instant::now();
        let mut left = self.leftovers();
        while !left.is_empty() && since.elapsed() < SETTLING {
            std::thread::sleep(Duration::from_millis(20));
            left = self.leftovers();
        }
        complaints.extend(left);
        let held = leftovers::remove_cgroup(&self.cgroup());
        complaints.extend(held.iter().map(|cgroup| format!("cgroup in use {}", cgroup.display())));
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
    }

    /// Removes all networks: with the last one goes what the instance has made in the kernel.
    fn remove_networks(&self) -> Option<String> {
        self.host.as_ref()?;
        let listed = self.isopod(["network", "ls", "-q", "--no-trunc", "--filter", "type=custom"]);
        let mut remove = vec!["network", "rm"];
        remove.extend(listed.lines());
        let removed = match remove.len() {
            2 => self.isopod(["network", "prune", "-f"]),
            _ => self.isopod(remove),
        };
        (removed.code != 0).then(|| format!("networks could not be removed\n{removed}"))
    }

    fn leftovers(&self) -> Vec<String> {
        // Kept like its parent, for the next monitor; it goes only when nothing is in it.
        leftovers::remove_cgroup(&format!("{}/monitors", self.cgroup()));
        let mounts = leftovers::mounts_below(self.folder());
        let processes = leftovers::processes_that_hold(self.folder());
        let cgroups = leftovers::cgroups_below(&self.cgroup());
        let mounts = mounts.iter().map(|mount| format!("mount {}", mount.display()));
        let processes = processes.iter().map(|(pid, why)| format!("process {pid}: {why}"));
        let cgroups = cgroups.iter().map(|cgroup| format!("cgroup {}", cgroup.display()));
        let devices = self.host.iter().flat_map(NetworkNamespace::devices);
        let devices = devices.map(|name| format!("device {name}"));
        let rules = self.host.iter().map(NetworkNamespace::rules).filter(|rules| !rules.is_empty());
        let rules = rules.map(|rules| format!("rules {rules}"));
        mounts.chain(processes).chain(cgroups).chain(devices).chain(rules).collect()
    }

    /// By force, so that one failed test does not spoil the machine for the others.
    fn sweep(&self) {
        for (pid, _) in leftovers::processes_that_hold(self.folder()) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
        for mount in leftovers::mounts_below(self.folder()) {
            umount2(&mount, MntFlags::MNT_DETACH).ok();
        }
        for cgroup in leftovers::cgroups_below(&self.cgroup()) {
            fs::remove_dir(cgroup).ok();
        }
        leftovers::remove_cgroup(&self.cgroup());
    }
}

impl Drop for TestContext {
    fn drop(&mut self) {
        // A test that has failed already says why itself; here it only cleans up.
        if std::thread::panicking() {
            let attempt = std::panic::AssertUnwindSafe(|| self.tear_down());
            drop(std::panic::catch_unwind(attempt));
            self.sweep();
            return;
        }
        let left = self.tear_down();
        self.sweep();
        if let Err(left) = left {
            panic!("the test left something behind:\n{left}");
        }
    }
}

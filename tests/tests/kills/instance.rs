//! One instance in which a scenario goes on again and again, and what has to hold of it whatever was killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use isopod_tests::{Invocation, Outcome, Running, TestContext, binary, leftovers, orphans};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::disk::Disk;
use crate::scenario::{BUNDLE, JOURNAL_IS_FULL, MONITOR_DIES, REGISTRY, Scenario};
use crate::steps::Log;
use crate::{ground, has_failed, steps};

/// Longer than anything takes that does not hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Says that a network was removed that a container names.
const GONE_NETWORK: &str = "container-network-missing";

pub struct Instance {
    /// What its root lies on, where that can lose its power; unmounted first.
    pub disk: Option<Disk>,
    pub context: TestContext,
    pub scenario: &'static Scenario,
    pub log: Log,
    /// Whether it is killed at any moment, not at steps.
    pub is_random: bool,
}

impl Instance {
    /// With something in it that was acknowledged, and has to survive all that comes.
    pub fn new(scenario: &'static Scenario) -> Self {
        orphans::adopt();
        let context = match scenario.networked {
            true => TestContext::networked(["busybox"]),
            false => TestContext::with(["busybox"]),
        };
        Self::begun(context, scenario, None)
    }

    /// The same on a disk of its own, whose content so far is synced.
    pub fn on_disk(scenario: &'static Scenario) -> Self {
        orphans::adopt();
        let (context, _) = TestContext::new();
        let disk = Disk::new(&context);
        disk.command(&context, &binary::isopod(), ["pull", "-q", "busybox"]).run().succeeds();
        let instance = Self::begun(context, scenario, Some(disk));
        instance.sync();
        instance
    }

    fn begun(context: TestContext, scenario: &'static Scenario, disk: Option<Disk>) -> Self {
        let log = Log(context.path("steps.log"));
        let instance = Self { disk, context, scenario, log, is_random: false };
        instance.run("volume create kept").succeeds();
        let words = ["run", "--name", "kept", "--network", "none", "-v", "kept:/kept", "busybox"];
        let script = "echo volume >/kept/file; echo container >/file";
        instance.command(words.into_iter().chain(["sh", "-c", script])).run().succeeds();
        if scenario.networked {
            instance.run("network create kept").succeeds();
        }
        instance
    }

    /// Runs a command line as it is.
    pub fn run(&self, line: &str) -> Outcome {
        let line = self.prepared(line);
        self.command_of_line(&line).deadline(PATIENCE).run()
    }

    /// A command of the boot that this is.
    pub fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Invocation {
        match &self.disk {
            None => self.context.command(words),
            Some(disk) => disk.command(&self.context, &binary::isopod(), words),
        }
    }

    /// Its root, wherever that is mounted.
    pub fn root(&self) -> PathBuf {
        self.disk.as_ref().map_or_else(|| self.context.path("root"), Disk::root)
    }

    /// Runs it with the deed planned, and whatever comes of it.
    pub fn run_planned(&self, line: &str, deed: &str) {
        self.planned(line, deed).run();
    }

    /// The same, not started yet.
    pub fn planned(&self, line: &str, deed: &str) -> Invocation {
        let line = self.prepared(line);
        let planned = self.command_of_line(&line).env("ISOPOD_STEP_LOG", &self.log.0);
        planned.env("ISOPOD_STEP", deed).deadline(PATIENCE)
    }

    /// Starts it as it is.
    pub fn started(&self, line: &str) -> Running {
        let line = self.prepared(line);
        self.command_of_line(&line).deadline(PATIENCE).start()
    }

    /// By how many passings of each step a process comes where nothing is killed.
    pub fn survey(&self) -> BTreeMap<String, u32> {
        self.log.clear();
        for line in self.scenario.before.iter().chain(self.scenario.acts) {
            self.run_planned(line, "none");
        }
        let passed = self.log.counts();
        self.undo();
        passed
    }

    /// The command line to be run, when what is no command in it is done.
    fn prepared(&self, line: &str) -> String {
        match line {
            MONITOR_DIES => self.kill_monitor(),
            JOURNAL_IS_FULL => ground::fill_the_journal(&self.root()),
            BUNDLE => ground::make_a_bundle(&self.context),
            _ if !line.contains(REGISTRY) => return line.to_owned(),
            _ => return line.replace(REGISTRY, &ground::place_at_a_registry(&self.context)),
        }
        "version".to_owned()
    }

    /// `create` of the OCI command line leaves its streams to the container, whose end nobody waits for here.
    fn command_of_line(&self, line: &str) -> Invocation {
        if !line.starts_with("runc ") {
            return self.command(line.split(' '));
        }
        let binary = binary::isopod();
        let words = ["-c", ground::APART, &binary.to_string_lossy()].map(str::to_owned);
        let words = words.into_iter().chain(line.split(' ').map(str::to_owned));
        self.context.command_of("sh", words.collect::<Vec<_>>())
    }

    fn kill_monitor(&self) {
        let found = self.run("inspect -f {{.Id}} one");
        let path = self.root().join("containers/default").join(found.stdout.trim_end());
        let text = fs::read_to_string(path.join("status.json")).unwrap_or_default();
        let status: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let pid = status["monitor"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0);
        // Only one that is there, and a monitor still.
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if comm.starts_with("isopod-monitor") {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
    }

    /// The scenario once, all of it well.
    #[track_caller]
    pub fn goes_well(&self) {
        for line in self.scenario.before.iter().chain(self.scenario.acts) {
            let done = self.run(line);
            assert!(!has_failed(line, &done), "after it was killed:\n{done}");
        }
        self.undo();
    }

    #[track_caller]
    pub fn undo(&self) {
        for line in self.scenario.undo {
            self.run(line);
        }
        orphans::reap();
        if self.scenario.before.contains(&BUNDLE) {
            let mut left = leftovers::cgroups_below(&self.context.cgroup());
            left.retain(|path| path.ends_with(ground::GROUP));
            assert!(left.is_empty(), "cgroups are left: {left:?}");
        }
    }

    /// Whoever goes on with what is there can, though nobody has mended anything. What is not there was not acknowledged.
    #[track_caller]
    pub fn goes_on(&self, after: &str) {
        for line in self.scenario.then {
            let done = self.run(line);
            let is_absent = done.stderr.lines().any(|line| {
                let words = line.strip_prefix("isopod: ").unwrap_or_default().to_lowercase();
                ["no such container", "no such image"].iter().any(|absent| words.contains(absent))
            });
            assert!(done.code == 0 || is_absent, "{after}: {done}");
        }
    }

    /// What was acknowledged is there, and what only looks works.
    #[track_caller]
    pub fn is_sound(&self, after: &str) {
        orphans::reap();
        for line in ["ps -a", "images -a", "volume ls", "network ls", "system df"] {
            let looked = self.run(line);
            assert_eq!(looked.code, 0, "{after}: {looked}");
        }
        let words = ["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}"];
        let listed = self.command(words).run();
        let is_named = |line: &str| {
            line.split_once(' ').is_some_and(|(id, name)| !name.is_empty() && !id.starts_with(name))
        };
        assert!(
            listed.lines().into_iter().all(is_named),
            "{after}, a container has no name: {listed}"
        );
        let words = ["run", "--rm", "--network", "none", "-v", "kept:/kept", "busybox"];
        let read = self.command(words.into_iter().chain(["cat", "/kept/file"])).run();
        assert_eq!((read.code, read.stdout.as_str()), (0, "volume\n"), "{after}: {read}");
        let copied = self.run("cp kept:/file kept.txt");
        assert_eq!(copied.code, 0, "{after}: {copied}");
        let text = fs::read_to_string(self.context.path("home/kept.txt"));
        assert_eq!(text.expect("it was copied"), "container\n", "{after}");
        if self.scenario.networked {
            self.run("network inspect kept").succeeds();
        }
        if self.scenario.before.contains(&JOURNAL_IS_FULL) {
            let told = ground::noise_in_the_journals(&self.root());
            assert!(told >= ground::NOISE, "{after}: {told} events are left of {}", ground::NOISE);
        }
        self.is_mended(after);
    }

    /// The checker finds nothing, or what kills leave by its page, and nothing any more when it has mended that.
    #[track_caller]
    fn is_mended(&self, after: &str) {
        let found = self.run("system fsck");
        if found.code == 0 {
            return;
        }
        // Of the others no step lies in a creation; at random moments all may be hit.
        let creates = ["create", "volumes"].contains(&self.scenario.name) || self.is_random;
        let expected = steps::left_by_kills(creates);
        for line in found.lines() {
            let code = line.split(' ').next().unwrap_or_default();
            let is_left_by_kills = expected.iter().any(|known| known == code);
            // With the power goes more; that is mended too.
            let is_expected = is_left_by_kills || self.disk.is_some() || code == GONE_NETWORK;
            assert!(is_expected, "{after}, {code} is damage: {found}");
        }
        if found.stdout.contains(GONE_NETWORK) {
            // Somebody removed it while the container did not run, as one may; only a person can tell what then.
            self.run("network create n").succeeds();
        }
        let mended = self.run("system fsck --repair");
        assert_eq!(mended.code, 0, "{after}: {found}{mended}");
        let left = self.run("system fsck");
        assert_eq!(left.code, 0, "{after}: {left}");
    }

    /// Removes everything by ordinary commands; nothing that they don't know of is left on disk. (What
    /// is left of processes, mounts, cgroups and networks, the context finds.)
    #[track_caller]
    pub fn nothing_is_left(&self) {
        let listed = self.run("ps -aq --no-trunc");
        if !listed.stdout.is_empty() {
            let words = ["rm", "-f", "-v"].into_iter().chain(listed.lines());
            self.command(words).run().succeeds();
        }
        self.run("volume prune -a -f").succeeds();
        if self.scenario.networked {
            self.run("network prune -f").succeeds();
        }
        self.run("image prune -a -f").succeeds();
        let root = self.root();
        let folders = ["containers", "snapshots", "volumes", "layers", "leases"];
        let folders = folders.into_iter().chain(["content/blobs/sha256", "content/ingest"]);
        let folders: Vec<_> = folders.map(|name| root.join(name)).collect();
        let state = self.context.path("state/containers");
        let since = Instant::now();
        let is_left = || folders.iter().chain([&state]).any(|folder| !files(folder).is_empty());
        // A pull that was killed has somebody sync its layers still.
        while is_left() && since.elapsed() < Duration::from_secs(5) {
            orphans::reap();
            std::thread::sleep(Duration::from_millis(10));
        }
        for folder in folders.iter().chain([&state]) {
            let left = files(folder);
            assert!(left.is_empty(), "left in {}: {left:?}", folder.display());
        }
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "lock" && !name.ends_with(".lock")).collect()
}

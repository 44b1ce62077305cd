//! An application as a docker user runs one: a web server, a cache, a worker and a database on a network and
//! volumes of their own. It works, comes back whatever is killed, keeps its data, and leaves nothing.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use isopod_tests::{Outcome, TestContext};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::Value;

/// Name and options of each part; the image comes last.
const PARTS: [(&str, &[&str]); 4] = [
    (
        "database",
        &[
            "--restart",
            "always",
            "--env-file",
            "shop.env",
            "-v",
            "orders:/var/lib/postgresql/data",
            "test/database",
        ],
    ),
    (
        "cache",
        &[
            "--restart",
            "always",
            "--health-cmd",
            "redis-cli ping",
            "--health-interval",
            "1s",
            "redis:alpine",
        ],
    ),
    ("worker", &["--restart", "unless-stopped", "--env-file", "shop.env", "test/worker"]),
    (
        "web",
        &[
            "--restart",
            "on-failure",
            "--env-file",
            "shop.env",
            "-p",
            "127.0.0.1:8080:80",
            "test/web",
        ],
    ),
];

/// The application, up and healthy.
struct Shop {
    context: TestContext,
    posted: Cell<usize>,
}

impl Shop {
    fn up() -> Self {
        // Orphans come to this process, as on a machine whose first process reaps.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .expect("it needs no right");
        let images = ["test/database", "redis:alpine", "test/worker", "test/web"];
        let context = TestContext::networked(images);
        let secrets = "POSTGRES_PASSWORD=it's a secret\nPGPASSWORD=it's a secret\n";
        fs::write(context.path("home/shop.env"), secrets).unwrap();
        context.isopod(["network", "create", "shop"]).succeeds();
        context.isopod(["volume", "create", "orders"]).succeeds().prints("orders\n");
        for (name, options) in PARTS {
            let mut words = vec!["run", "-d", "--network", "shop", "--name", name];
            words.extend(options);
            context.isopod(words).succeeds();
        }
        let shop = Self { context, posted: Cell::new(0) };
        shop.is_healthy();
        shop
    }

    fn is_healthy(&self) {
        for name in ["database", "cache", "web"] {
            let healthy = || self.shown(name, "{{.State.Health.Status}}") == "healthy";
            until(&format!("health of {name}"), healthy);
        }
    }

    fn shown(&self, name: &str, template: &str) -> String {
        self.context.isopod(["inspect", "-f", template, name]).line().to_owned()
    }

    /// Asks the published port; the answer's body and, in a line of its own, its code.
    fn asked(&self, method: &str, body: &str) -> Outcome {
        let url = "http://127.0.0.1:8080/orders";
        let options = ["-sS", "-m", "10", "-w", "\n%{http_code}", "-X", method];
        let mut words = options.to_vec();
        words.extend(["--data-binary", body, url]);
        self.context.command_of("curl", words).run()
    }

    fn posts(&self, order: &str) -> bool {
        self.asked("POST", order).stdout.ends_with("\n202")
    }

    /// What the web server reads from the database, if all of that is there.
    fn orders(&self) -> Option<Vec<String>> {
        let answer = self.asked("GET", "");
        let listed = answer.stdout.strip_suffix("\n200")?;
        Some(listed.lines().map(str::to_owned).collect())
    }

    /// An order goes all the way: port, web, cache, worker, database, and back. One that was in the cache
    /// when that was killed is lost, as it would be with docker; another follows.
    #[track_caller]
    fn works(&self) {
        until("an order in the database", || {
            let order = format!("order {}", self.posted.replace(self.posted.get() + 1));
            let since = Instant::now();
            self.posts(&order)
                && loop {
                    if self.orders().is_some_and(|all| all.contains(&order)) {
                        break true;
                    }
                    if since.elapsed() > Duration::from_secs(5) {
                        break false;
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
        });
    }

    /// What the monitor says of a container: its own id, the container's first process.
    fn status(&self, name: &str) -> Value {
        let id = self.shown(name, "{{.Id}}");
        let file = self.context.path("root/containers/default").join(id).join("status.json");
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    }

    fn pid(&self, name: &str, field: &str) -> Pid {
        let pid = self.status(name)[field].as_i64().expect("a number");
        Pid::from_raw(i32::try_from(pid).expect("a process id"))
    }

    fn restarts(&self, name: &str) -> usize {
        self.shown(name, "{{.RestartCount}}").parse().unwrap()
    }

    /// Down, as a user takes it down; nothing of it may be left when this returns.
    fn down(self) {
        let mut remove = vec!["rm", "-f", "-v"];
        remove.extend(PARTS.map(|(name, _)| name));
        self.context.isopod(remove).succeeds();
        self.context.isopod(["network", "rm", "shop"]).succeeds().prints("shop\n");
        self.context.isopod(["volume", "rm", "orders"]).succeeds().prints("orders\n");
        for folder in
            ["root/containers/default", "root/snapshots", "root/volumes", "state/containers"]
        {
            assert_eq!(files(self.context.path(folder)), Vec::<PathBuf>::new());
        }
        assert_eq!(self.context.host().devices(), Vec::<String>::new());
        assert_eq!(self.context.host().rules(), "");
        reap();
        // Mounts, processes and cgroups: the context looks for them as it goes.
    }
}

/// What is below a folder but for locks, which stay for the next who needs them.
fn files(folder: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let entries = entries.filter(|entry| !entry.file_name().to_string_lossy().ends_with("lock"));
    entries.flat_map(|entry| [vec![entry.path()], files(entry.path())].concat()).collect()
}

/// The child of a monitor that has this name.
fn child(monitor: Pid, name: &str) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children")).ok()?;
    let mut children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    let called = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    children.find(called).map(Pid::from_raw)
}

/// Reaps what came to us; nothing that the test waits for runs meanwhile.
fn reap() {
    let any = Pid::from_raw(-1);
    while waitpid(any, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_some()) {}
}

#[track_caller]
fn until(what: &str, mut test: impl FnMut() -> bool) {
    let since = Instant::now();
    while !test() {
        assert!(since.elapsed() < Duration::from_secs(60), "{what} did not come");
        reap();
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_application_comes_up_finds_its_parts_by_name_and_goes_down_without_a_trace() {
    let shop = Shop::up();
    until("an order", || shop.posts("tea; drop table \"orders\""));
    until("it in the database", || {
        shop.orders().is_some_and(|all| all == ["tea; drop table \"orders\""])
    });
    // The worker says so after it has written.
    until("the worker's word", || {
        shop.context.isopod(["logs", "worker"]).stdout.contains("wrote tea;")
    });
    let ports = shop.context.isopod(["port", "web"]);
    ports.prints("80/tcp -> 127.0.0.1:8080\n");
    let elsewhere = shop.context.command_of("curl", ["-s", "-m", "5", "http://198.51.100.2:8080/"]);
    assert_ne!(elsewhere.run().code, 0, "it is published on the loopback only");
    // What serves others is refused to go.
    shop.context.isopod(["network", "rm", "shop"]).fails_with(1).complains_of("shop");
    shop.context.isopod(["volume", "rm", "orders"]).fails_with(1).complains_of("orders");
    shop.down();
}

#[test]
fn parts_that_are_killed_come_back_by_their_policy() {
    let shop = Shop::up();
    for name in ["web", "cache", "worker", "database"] {
        let before = (shop.pid(name, "pid"), shop.restarts(name));
        kill(before.0, Signal::SIGKILL).unwrap();
        until(&format!("{name} again"), || {
            shop.restarts(name) > before.1 && shop.shown(name, "{{.State.Status}}") == "running"
        });
        assert_ne!(shop.pid(name, "pid"), before.0);
        shop.works();
    }
    // An end that is no failure is the end by `on-failure`; lighttpd ends so at SIGINT.
    shop.context.isopod(["kill", "-s", "INT", "web"]).succeeds();
    until("the end of web", || shop.shown("web", "{{.State.Status}}") == "exited");
    assert_eq!(shop.shown("web", "{{.State.ExitCode}}"), "0");
    shop.context.isopod(["start", "web"]).succeeds();
    shop.works();
    shop.down();
}

#[test]
fn an_application_survives_the_death_of_each_of_our_processes() {
    let shop = Shop::up();
    for (name, _) in PARTS {
        for process in ["monitor", "isopod-guard", "isopod-keeper"] {
            until(&format!("{name} running"), || {
                shop.shown(name, "{{.State.Status}}") == "running"
            });
            let monitor = shop.pid(name, "monitor");
            let victim = match process {
                "monitor" => monitor,
                child_of => {
                    child(monitor, child_of).unwrap_or_else(|| panic!("{name} has no {child_of}"))
                }
            };
            kill(victim, Signal::SIGKILL).unwrap();
            until(&format!("{name} after its {process} was killed"), || {
                shop.shown(name, "{{.State.Status}}") == "running"
                    && shop.context.isopod(["exec", name, "true"]).code == 0
            });
            shop.works();
        }
    }
    shop.is_healthy();
    shop.down();
}

#[test]
fn data_outlives_a_stop_and_the_container_that_wrote_it() {
    let shop = Shop::up();
    shop.works();
    let before = shop.orders().expect("it works");
    let stop = ["stop", "web", "worker", "cache", "database"];
    shop.context.isopod(stop).succeeds().prints("web\nworker\ncache\ndatabase\n");
    // Stopped by hand, nothing comes back by its policy.
    assert_eq!(shop.context.isopod(["ps", "-q"]).lines().len(), 0);
    assert!(!shop.asked("GET", "").stdout.ends_with("\n200"));
    shop.context.isopod(["start", "database", "cache", "worker", "web"]).succeeds();
    until("what was ordered before", || shop.orders().is_some_and(|all| all.starts_with(&before)));
    shop.works();

    shop.context.isopod(["rm", "-f", "database"]).succeeds();
    let (name, options) = PARTS[0];
    let mut words = vec!["run", "-d", "--network", "shop", "--name", name];
    words.extend(options);
    shop.context.isopod(words).succeeds();
    // Those who were there find the new one by the old name.
    until("what was ordered before", || shop.orders().is_some_and(|all| all.starts_with(&before)));
    shop.works();
    shop.down();
}

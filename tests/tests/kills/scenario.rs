//! What is done while something is killed. A command line is written with single spaces, and without
//! quotes: its parts are what lies between them. Names are no hexadecimal digits: what is not there by its name
//! would be somebody else by the beginning of an id.

/// Stands for kill -9 of the monitor of the container called `one`.
pub const MONITOR_DIES: &str = "(the monitor dies)";

/// Stands for so many events that the next one begins a new journal.
pub const JOURNAL_IS_FULL: &str = "(the journal is full)";

/// Stands for a bundle in the folder `bundle`, whose program sleeps.
pub const BUNDLE: &str = "(a bundle)";

/// In a command line: a place of the instance's own at a registry.
pub const REGISTRY: &str = "{registry}";

/// Commands, and the steps that are killed at while they run.
pub struct Scenario {
    pub name: &'static str,
    /// In a network namespace of its own, where nothing can be pulled.
    pub networked: bool,
    /// Steps with these beginnings are this scenario's: it comes by all of them.
    pub steps: &'static [&'static str],
    /// Comes first, and is left alone.
    pub before: &'static [&'static str],
    /// Is killed somewhere.
    pub acts: &'static [&'static str],
    /// What somebody may do next with what is there of it, before anything was looked at or mended.
    pub then: &'static [&'static str],
    /// Takes away what `before` and `acts` have made, as far as it is there.
    pub undo: &'static [&'static str],
}

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pull",
        networked: false,
        steps: &[
            "blob.",
            "layer.staged",
            "layer.described",
            "layer.renamed",
            "layer.synced",
            "layer.settled",
            "lease.",
            "image.named",
            "image.stored",
            "state.",
            "file.",
        ],
        before: &[],
        acts: &["pull -q alpine"],
        then: &["run --rm --network none alpine true"],
        undo: &["rmi alpine"],
    },
    Scenario {
        name: "rmi",
        networked: false,
        steps: &["gc.", "layer.condemned", "image.un"],
        before: &["pull -q alpine"],
        acts: &["rmi alpine"],
        then: &[],
        undo: &[],
    },
    Scenario {
        name: "load",
        networked: false,
        steps: &["import.", "spool.", "image.tagged"],
        before: &["pull -q alpine", "save -o alpine.tar alpine", "rmi alpine"],
        acts: &["load -q -i alpine.tar", "tag alpine again:1"],
        then: &["run --rm --network none alpine true"],
        undo: &["rmi again:1", "rmi alpine"],
    },
    Scenario {
        name: "commit",
        networked: false,
        steps: &["commit."],
        before: &["run --name one --network none busybox touch /made"],
        acts: &["commit one made:1"],
        then: &["run --rm --pull never --network none made:1 true"],
        undo: &["rm one", "rmi made:1"],
    },
    Scenario {
        name: "create",
        networked: false,
        steps: &["container.", "snapshot.", "volume.cop"],
        before: &[],
        // An /etc that was copied by halves has none.
        acts: &["create --name one --network none -v vol:/etc busybox cat /etc/passwd"],
        then: &["start -a one"],
        undo: &["rm -f one", "volume rm vol"],
    },
    Scenario {
        name: "run",
        networked: true,
        steps: &["start.", "endpoint.", "stop."],
        before: &[],
        acts: &[
            "run -d --name one -p 8080:80 -v vol:/etc busybox sleep 1000",
            "exec one true",
            "stop -t 0 one",
        ],
        then: &["start one"],
        undo: &["rm -f one", "volume rm vol"],
    },
    Scenario {
        name: "monitor",
        networked: true,
        steps: &["monitor.", "launcher.", "keeper.", "after-exit."],
        before: &[],
        acts: &["run -d --name one -p 8080:80 busybox sleep 1000", "stop -t 0 one"],
        then: &["start one"],
        undo: &["rm -f one"],
    },
    Scenario {
        name: "rm",
        networked: true,
        steps: &["remove."],
        before: &["run -d --name one -v /data busybox sleep 1000"],
        acts: &["rm -f -v one"],
        then: &["start one"],
        undo: &["rm -f -v one"],
    },
    Scenario {
        name: "networks",
        networked: true,
        steps: &["network.", "plug.", "unplug."],
        before: &["run -d --name one busybox sleep 1000"],
        acts: &[
            "network create n",
            "network connect n one",
            "network disconnect n one",
            "network rm n",
        ],
        then: &["start one", "exec one true"],
        undo: &["rm -f one", "network rm n"],
    },
    Scenario {
        name: "volumes",
        networked: false,
        steps: &["volume.row", "volume.folder", "volume.deleted", "volume.aside"],
        before: &[],
        acts: &[
            "volume create vol",
            "run --rm --network none -v vol:/v busybox touch /v/old",
            "volume rm vol",
        ],
        // Whatever has this name next is another volume, once the removal has come by a step.
        then: &["run --rm --network none -v vol:/v busybox test ! -e /v/old"],
        undo: &["volume rm vol"],
    },
    Scenario {
        name: "changes",
        networked: true,
        steps: &["rename."],
        before: &["run -d --name one busybox sleep 1000"],
        acts: &["update --restart always one", "rename one other", "restart -t 0 other"],
        then: &["start one"],
        undo: &["rm -f one", "rm -f other"],
    },
    Scenario {
        name: "deaths",
        networked: true,
        steps: &["cleanup."],
        before: &[],
        acts: &["run -d --name one -p 8080:80 busybox sleep 1000", MONITOR_DIES, "ps -a"],
        then: &["start one", "exec one true"],
        undo: &["rm -f one"],
    },
    Scenario {
        name: "exec",
        networked: false,
        steps: &["exec.connected", "exec.answered"],
        before: &["run -d --name one --network none busybox sleep 1000"],
        acts: &["exec one sleep 1"],
        // Only its client dies, while it runs: the container goes on, and nobody starts it again.
        then: &["exec one true"],
        undo: &["rm -f one"],
    },
    Scenario {
        name: "exec-monitor",
        networked: false,
        steps: &["exec.launching", "exec.reported"],
        before: &[],
        // Only a monitor that was started with a plan has it.
        acts: &["run -d --name one --network none busybox sleep 1000", "exec one true"],
        then: &["start one", "exec one true"],
        undo: &["rm -f one"],
    },
    Scenario {
        name: "logs",
        networked: false,
        steps: &["packer.", "logger."],
        before: &[],
        acts: &[
            "run --name one --network none --log-opt max-size=1k --log-opt max-file=3 --log-opt compress=true busybox seq 200",
            "run --name two --network none --log-opt mode=non-blocking busybox seq 200",
        ],
        then: &["logs one", "start -a one", "logs one"],
        undo: &["rm -f one", "rm -f two"],
    },
    Scenario {
        name: "cp",
        networked: false,
        steps: &["copy."],
        before: &["create --name one --network none busybox true", "cp one:/etc out"],
        acts: &["cp out one:/in", "cp one:/in in"],
        then: &[],
        undo: &["rm -f one"],
    },
    Scenario {
        name: "push",
        networked: false,
        steps: &["push."],
        before: &["tag busybox {registry}/busybox:1"],
        acts: &["push -q {registry}/busybox:1"],
        then: &[],
        undo: &["rmi {registry}/busybox:1"],
    },
    Scenario {
        name: "journal",
        networked: false,
        steps: &["journal."],
        before: &[JOURNAL_IS_FULL],
        acts: &["tag busybox told:1"],
        then: &[],
        undo: &["rmi told:1"],
    },
    Scenario {
        name: "oci",
        networked: false,
        steps: &["oci."],
        before: &[BUNDLE],
        acts: &[
            "runc --root oci create -b bundle one",
            "runc --root oci start one",
            "runc --root oci delete -f one",
        ],
        then: &[],
        undo: &["runc --root oci delete -f one"],
    },
    Scenario {
        name: "restarts",
        networked: true,
        steps: &[],
        before: &[],
        acts: &["run -d --name one --restart on-failure:2 busybox false", "wait one"],
        then: &[],
        undo: &["rm -f one"],
    },
];

impl Scenario {
    pub fn owns(&self, step: &str) -> bool {
        self.steps.iter().any(|beginning| step.starts_with(beginning))
    }
}

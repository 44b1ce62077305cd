//! What is done while something is killed. A command line is written with single spaces, and without
//! quotes: its parts are what lies between them.

/// Stands for kill -9 of the monitor of the container called `c`.
pub const MONITOR_DIES: &str = "(the monitor dies)";

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
        undo: &["rmi alpine"],
    },
    Scenario {
        name: "rmi",
        networked: false,
        steps: &["gc.", "layer.condemned", "image.un"],
        before: &["pull -q alpine"],
        acts: &["rmi alpine"],
        undo: &[],
    },
    Scenario {
        name: "load",
        networked: false,
        steps: &["import.", "spool.", "image.tagged"],
        before: &["pull -q alpine", "save -o alpine.tar alpine", "rmi alpine"],
        acts: &["load -q -i alpine.tar", "tag alpine again:1"],
        undo: &["rmi again:1", "rmi alpine"],
    },
    Scenario {
        name: "commit",
        networked: false,
        steps: &["commit."],
        before: &["run --name c --network none busybox touch /made"],
        acts: &["commit c made:1"],
        undo: &["rm c", "rmi made:1"],
    },
    Scenario {
        name: "create",
        networked: false,
        steps: &["container.", "snapshot.", "volume.cop"],
        before: &[],
        acts: &["create --name c --network none -v vol:/etc busybox true"],
        undo: &["start -a c", "rm -f c", "volume rm vol"],
    },
    Scenario {
        name: "run",
        networked: true,
        steps: &["start.", "endpoint.", "stop."],
        before: &[],
        acts: &[
            "run -d --name c -p 8080:80 -v vol:/etc busybox sleep 1000",
            "exec c true",
            "stop -t 0 c",
        ],
        undo: &["rm -f c", "volume rm vol"],
    },
    Scenario {
        name: "monitor",
        networked: true,
        steps: &["monitor.", "launcher.", "keeper.", "after-exit."],
        before: &[],
        acts: &["run -d --name c -p 8080:80 busybox sleep 1000", "stop -t 0 c"],
        undo: &["rm -f c"],
    },
    Scenario {
        name: "rm",
        networked: true,
        steps: &["remove."],
        before: &["run -d --name c -v /data busybox sleep 1000"],
        acts: &["rm -f -v c"],
        undo: &["rm -f -v c"],
    },
    Scenario {
        name: "networks",
        networked: true,
        steps: &["network.", "plug.", "unplug."],
        before: &["run -d --name c busybox sleep 1000"],
        acts: &[
            "network create n",
            "network connect n c",
            "network disconnect n c",
            "network rm n",
        ],
        undo: &["rm -f c", "network rm n"],
    },
    Scenario {
        name: "volumes",
        networked: false,
        steps: &["volume.row", "volume.folder", "volume.deleted", "volume.aside"],
        before: &[],
        acts: &["volume create vol", "volume rm vol"],
        undo: &["volume rm vol"],
    },
    Scenario {
        name: "changes",
        networked: true,
        steps: &["rename."],
        before: &["run -d --name c busybox sleep 1000"],
        acts: &["update --restart always c", "rename c d", "restart -t 0 d"],
        undo: &["rm -f c", "rm -f d"],
    },
    Scenario {
        name: "deaths",
        networked: true,
        steps: &["cleanup."],
        before: &[],
        acts: &["run -d --name c -p 8080:80 busybox sleep 1000", MONITOR_DIES, "ps -a"],
        undo: &["rm -f c"],
    },
    Scenario {
        name: "restarts",
        networked: true,
        steps: &[],
        before: &[],
        acts: &["run -d --name c --restart on-failure:2 busybox false", "wait c"],
        undo: &["rm -f c"],
    },
];

impl Scenario {
    pub fn owns(&self, step: &str) -> bool {
        self.steps.iter().any(|beginning| step.starts_with(beginning))
    }
}

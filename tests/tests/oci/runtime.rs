//! The runtimes that are asked, and how each is called.

use std::path::Path;
use std::process::Command;

use isopod_tests::binary;

/// Who runs the bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    Crun,
    Runc,
    Isopod,
}

/// All of them.
pub const ALL: [Runtime; 3] = [Runtime::Crun, Runtime::Runc, Runtime::Isopod];

/// Longer than any case needs on a machine at work; a runtime that hangs ends its test.
const PATIENCE: &str = "60";

impl Runtime {
    /// As the table has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crun => "crun",
            Self::Runc => "runc",
            Self::Isopod => "isopod",
        }
    }

    /// The runtime with its state in `state`; the subcommand is still missing.
    pub fn command(self, state: &Path) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--foreground", "-k", "5", PATIENCE]);
        match self {
            // It refuses cgroups of both versions beside each other: it is shown the first alone.
            Self::Crun => {
                let hidden = "! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified; exec \"$@\"";
                command.args(["unshare", "--mount", "sh", "-euc", hidden, "sh", "crun"]);
            }
            Self::Runc => drop(command.arg("runc")),
            // What it writes for itself is beside its state.
            Self::Isopod => {
                command.env("ISOPOD_ROOT", state.with_file_name("data"));
                command.arg(binary::isopod()).arg("runc");
            }
        }
        command.arg("--root").arg(state);
        command
    }
}

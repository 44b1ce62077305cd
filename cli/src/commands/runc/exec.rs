//! `runc exec`.

use std::path::{Path, PathBuf};

use isopod_oci::process::Changes;
use isopod_oci::request::{Exec as Request, Job};
use oci_spec::runtime::{Capability, Process};

use super::ends::EndsArgs;
use super::execute::execute;
use super::{Failure, Globals, Verb};
use crate::commands::Status;

/// Every failure of ours: smaller ones are a program's.
const FAILED: Status = 255;

/// Run another process in a container
#[derive(Debug, clap::Args)]
pub struct Exec {
    /// Folder to start in
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// A variable, NAME=VALUE
    #[arg(short, long, value_name = "VARIABLE")]
    env: Vec<String>,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// User id, and group id after a colon
    #[arg(short, long, value_name = "UID[:GID]")]
    user: Option<String>,
    /// A group beside that
    #[arg(short = 'g', long, value_name = "GID")]
    additional_gids: Vec<u32>,
    /// File with all of the process, instead of a command
    #[arg(short, long, value_name = "FILE")]
    process: Option<PathBuf>,
    /// Leave it running
    #[arg(short, long)]
    detach: bool,
    /// SELinux label (refused: nothing here sets one)
    #[arg(long, value_name = "LABEL")]
    process_label: Option<String>,
    /// AppArmor profile
    #[arg(long, value_name = "PROFILE")]
    apparmor: Option<String>,
    /// It can't gain privileges by executing something
    #[arg(long)]
    no_new_privs: bool,
    /// A capability beside the container's
    #[arg(short, long, value_name = "NAME")]
    cap: Vec<String>,
    /// A cgroup below the container's, which exists
    #[arg(long, value_name = "PATH")]
    cgroup: Option<String>,
    /// Also in a paused container
    #[arg(long)]
    ignore_paused: bool,
    #[command(flatten)]
    ends: EndsArgs,
    /// The container, and the command with its arguments
    #[arg(trailing_var_arg = true)]
    arguments: Vec<String>,
}

impl Verb for Exec {
    const USAGE: &'static str =
        "[options] <container-id> <command> [command options] || -p process.json <container-id>";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        let mut words = self.arguments.clone();
        if words.is_empty() {
            return Err(Failure::new("runc: \"exec\" requires a minimum of 1 argument"));
        }
        let command = words.split_off(1);
        if command.is_empty() && self.process.is_none() {
            return Err(Failure::new("process args cannot be empty"));
        }
        let id = words.remove(0);
        let failed = |failure: Failure| failure.after("exec failed: ").with(FAILED);
        let (job, inherited) = self.job(globals, &id, command).map_err(failed)?;
        Err(failed(execute(globals, id, job, inherited)))
    }
}

impl Exec {
    fn job(self, globals: &Globals, id: &str, args: Vec<String>) -> Result<(Job, u32), Failure> {
        let ends = self.ends.check(self.detach)?;
        let inherited = ends.inherited();
        let container = globals.store().load(id)?;
        container.can_exec(self.ignore_paused)?;
        if let Some(cgroup) = self.cgroup.as_ref().filter(|cgroup| cgroup.contains(':')) {
            return Err(Failure::new(format!(
                "cgroup {cgroup}: one for a single controller is not supported"
            )));
        }
        let process = match &self.process {
            Some(path) => read(path)?,
            None => container.process_like_its_own(Changes {
                args,
                cwd: self.cwd,
                env: self.env,
                terminal: self.tty,
                user: self.user.as_deref().map(user).transpose()?,
                additional_gids: self.additional_gids,
                apparmor: self.apparmor,
                label: self.process_label,
                no_new_privileges: self.no_new_privs.then_some(true),
                capabilities: self
                    .cap
                    .iter()
                    .map(|name| capability(name))
                    .collect::<Result<_, _>>()?,
            })?,
        };
        Ok((Job::Exec(Request { process, cgroup: self.cgroup, ends }), inherited))
    }
}

fn read(path: &Path) -> Result<Process, Failure> {
    let text = std::fs::read(path)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::new(format!("malformed {}: {error}", path.display())))
}

/// Numbers only: an engine has looked names up.
fn user(text: &str) -> Result<(u32, Option<u32>), Failure> {
    let wrong =
        |what: &str| Failure::new(format!("parsing {what} as int for {what} failed: {text:?}"));
    match text.split_once(':') {
        None => Ok((text.parse().map_err(|_| wrong("uid"))?, None)),
        Some((uid, gid)) => Ok((
            uid.parse().map_err(|_| wrong("uid"))?,
            Some(gid.parse().map_err(|_| wrong("gid"))?),
        )),
    }
}

fn capability(name: &str) -> Result<Capability, Failure> {
    let upper = name.to_ascii_uppercase();
    let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
    serde_json::from_value(full.into())
        .map_err(|_| Failure::new(format!("unknown capability {name:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_numbers() {
        assert_eq!(user("5").unwrap(), (5, None));
        assert_eq!(user("5:6").unwrap(), (5, Some(6)));
        for wrong in ["", "root", "5:", ":6", "-1", "4294967296", "5:6:7"] {
            assert!(user(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn capabilities_are_known_by_name() {
        assert_eq!(capability("CAP_KILL").unwrap(), Capability::Kill);
        assert_eq!(capability("sys_admin").unwrap(), Capability::SysAdmin);
        assert!(capability("CAP_NOTHING").is_err());
    }
}

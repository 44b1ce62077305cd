//! `rm`: containers, and their logs.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use isopod_cri_client::{v1, within};

use super::selection::Containers;
use super::session::Session;
use super::stop;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// All there are
    #[arg(short, long, conflicts_with = "containers")]
    all: bool,
    /// Also those that run
    #[arg(short, long)]
    force: bool,
    /// Leave the log file and what was rotated away
    #[arg(short, long)]
    keep_logs: bool,
    /// Containers
    #[arg(value_name = "CONTAINER-ID", required_unless_present = "all")]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [CONTAINER-ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut ids = self.containers.clone();
        if self.all {
            let every = Containers { all: true, ..Containers::default() };
            let every = every.list(&session).map_err(Error::doing("listing containers"))?;
            ids = every.into_iter().map(|container| container.id).collect();
            if ids.is_empty() {
                session.note("No containers to remove");
            }
        }
        session.runtime()?;
        session.all_at_once(&ids, |id| self.remove(&session, id))
    }
}

impl Args {
    async fn remove(&self, session: &Session<'_>, id: String) -> Result<(), Error> {
        let mut client = session.runtime()?;
        let request = v1::ContainerStatusRequest { container_id: id.clone(), verbose: false };
        let status = within(Some(session.settings.read), client.container_status(request))
            .await
            .map_err(Error::doing(format!("getting the status of container {id:?}")))?
            .status
            .unwrap_or_default();
        if status.state() == v1::ContainerState::ContainerRunning {
            if !self.force {
                return Err(Error::Argument(format!(
                    "container {id:?} is running: stop it first, or give -f"
                )));
            }
            stop::stop(session, id.clone(), 0).await?;
        }
        let request = v1::RemoveContainerRequest { container_id: id.clone() };
        within(Some(session.settings.change), client.remove_container(request))
            .await
            .map_err(Error::doing(format!("removing container {id:?}")))?;
        session.context.printer.line(&id)?;
        if self.keep_logs || status.log_path.is_empty() {
            return Ok(());
        }
        for path in logs(Path::new(&status.log_path)) {
            match std::fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::file("remove log", &path)(error)),
            }
        }
        Ok(())
    }
}

/// A log, and what was rotated away from it: the same name and something after a dot.
fn logs(path: &Path) -> Vec<PathBuf> {
    let mut logs = vec![path.to_owned()];
    let mut prefix = path.file_name().map(OsString::from).unwrap_or_default();
    prefix.push(".");
    let prefix = prefix.as_encoded_bytes();
    let Some(entries) = path.parent().and_then(|folder| std::fs::read_dir(folder).ok()) else {
        return logs;
    };
    let rotated = entries.flatten().filter(|entry| {
        entry.file_name().as_encoded_bytes().starts_with(prefix)
            && entry.file_type().is_ok_and(|kind| !kind.is_dir())
    });
    logs.extend(rotated.map(|entry| entry.path()));
    logs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_logs_belong_to_a_log_and_its_neighbours_dont() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["0.log", "0.log.20260101-000000", "0.log.1.gz", "1.log", "0.logs"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let mut names: Vec<String> = logs(&folder.path().join("0.log"))
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["0.log", "0.log.1.gz", "0.log.20260101-000000"]);
    }
}

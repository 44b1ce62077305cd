//! Starting another process in a running container.

use isopod_monitor_protocol::message::{Exec, Reply, Request, Size, Streams};
use isopod_sys::step::step;

use super::{Container, Phase, Session};
use crate::{Error, Result, id};

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct ExecOptions {
    /// The caller's name for it; `None` draws one.
    pub exec_id: Option<String>,
    /// Program and arguments.
    pub args: Vec<String>,
    /// `KEY=value`, over the container's environment.
    pub env: Vec<String>,
    /// Working folder; default: the container's.
    pub working_dir: Option<String>,
    /// `user[:group]`; default: the container's.
    pub user: Option<String>,
    /// Further groups.
    pub group_add: Vec<String>,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// All capabilities.
    pub privileged: bool,
    /// The streams wanted.
    pub streams: Streams,
    /// The terminal's first size.
    pub size: Option<Size>,
}

impl Container<'_> {
    /// Starts a process in it. The session's end is that process's.
    ///
    /// # Errors
    /// [`crate::Error::State`] unless it runs; no such user or program.
    pub fn exec(&self, options: &ExecOptions) -> Result<Session> {
        let hint = "only a running container can start another process";
        if self.status()?.phase == Phase::Restarting {
            let id = self.name().to_owned();
            let hint = "wait until the container is running";
            return Err(Error::State { id, state: Phase::Restarting.as_str(), hint });
        }
        let status = self.require(&[Phase::Running], hint)?;
        let exec_id = options.exec_id.clone().unwrap_or_else(id::random);
        id::check("exec id", &exec_id)?;
        let process = super::spec::exec_process(self, status.pid, options)?;
        let command = options.args.join(" ");
        let known = [("execID", exec_id.as_str())];
        self.happened(&format!("exec_create: {command}"), &known);
        let mut connection = self.connect()?;
        // Before it starts, as docker does: its end may follow at once, and the monitor records that.
        self.happened(&format!("exec_start: {command}"), &known);
        step("exec.connected");
        let request = Request::Exec {
            exec_id: exec_id.clone(),
            process: Box::new(process),
            streams: options.streams,
            size: options.size,
        };
        match self.ask_running(&mut connection, request)? {
            Reply::Started { pid } => {
                step("exec.answered");
                Session::new(connection, options.streams, Some(pid), Some(exec_id))
            }
            other => Err(self.unexpected(&other)),
        }
    }

    /// The execs that run.
    ///
    /// # Errors
    /// [`crate::Error::State`] if the container does not run.
    pub fn execs(&self) -> Result<Vec<Exec>> {
        match self.ask(Request::ListExecs)? {
            Reply::Execs { execs } => Ok(execs),
            other => Err(self.unexpected(&other)),
        }
    }
}

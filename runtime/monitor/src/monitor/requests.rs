//! What clients ask for, and what they are answered.

use isopod_monitor_protocol::VERSION;
use isopod_monitor_protocol::message::{
    Envelope, ErrorKind, Event, Exec, FromMonitor, Reply, Request, Size, Streams,
};
use isopod_monitor_protocol::status::Phase;
use rustix::process::{Pid, Signal, kill_process};

use super::clients::{Role, unused};
use super::{CONTAINER, Monitor};

/// Why a request is refused.
pub(super) type Refusal = (ErrorKind, String);

/// For messages.
fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::Paused => "paused",
        Phase::Restarting => "restarting",
        Phase::Exited | Phase::Failed => "not running",
    }
}

impl Monitor {
    /// Answers one request.
    pub(super) fn answer(&mut self, id: u32, envelope: Envelope) {
        let role = self.clients.get_mut(id).map_or(Role::Done, |client| client.role);
        if envelope.version != VERSION {
            let message = format!("monitor speaks version {VERSION}, not {}", envelope.version);
            return self.clients.refuse(id, ErrorKind::Version, message);
        }
        let result = match (role, envelope.request) {
            (Role::Idle | Role::Session { .. }, Request::Resize { exec_id, size }) => {
                self.resize(exec_id.as_deref(), size)
            }
            (Role::First, Request::Run { attach, size, handed }) => {
                self.run_container(id, attach, size, &handed);
                return;
            }
            (Role::Idle, Request::Run { .. }) => {
                Err((ErrorKind::Invalid, "run is for the connection a monitor starts with".into()))
            }
            (Role::Idle, request) => self.serve_request(id, request),
            (_, _) => Err((ErrorKind::Invalid, "a connection carries one request".into())),
        };
        match result {
            Ok(Some(reply)) => self.clients.reply(id, reply),
            Ok(None) => {}
            Err((kind, message)) => self.clients.refuse(id, kind, message),
        }
    }

    /// The reply, or `None` where it was or will be sent.
    fn serve_request(&mut self, id: u32, request: Request) -> Result<Option<Reply>, Refusal> {
        match request {
            Request::Status => Ok(Some(Reply::Status { status: Box::new(self.status.clone()) })),
            Request::Attach { streams } => self.attach(id, streams).map(|()| None),
            Request::Exec { exec_id, process, streams, size } => {
                self.run_exec(id, exec_id, *process, streams, size).map(|()| None)
            }
            Request::Kill { exec_id: None, signal, all, stop } => {
                self.kill_container_by_hand(signal, all, stop).map(|()| Some(Reply::Ok))
            }
            Request::Kill { exec_id, signal, all, .. } => {
                self.kill(exec_id.as_deref(), signal, all).map(|()| Some(Reply::Ok))
            }
            Request::Pause => self.freeze(true),
            Request::Resume => self.freeze(false),
            Request::Wait { exec_id } => self.wait(id, exec_id.as_deref()).map(|()| None),
            Request::ListExecs => Ok(Some(Reply::Execs { execs: self.execs() })),
            Request::ReopenLog => self.reopen_log(),
            Request::NetworkNamespace => self.send_network_namespace(id).map(|()| None),
            Request::ShutDown { signal } => self.end_with(signal).map(|()| Some(Reply::Ok)),
            Request::SetRestart { restart, after_exit } => {
                self.set_restart(restart, after_exit);
                Ok(Some(Reply::Ok))
            }
            Request::SetForwards { forwards } => {
                self.network.lead(&forwards);
                Ok(Some(Reply::Ok))
            }
            Request::Run { .. } | Request::Resize { .. } => {
                Err((ErrorKind::Invalid, "not allowed on this connection".into()))
            }
        }
    }

    /// The number of the process that a request is about.
    pub(super) fn find(&self, exec_id: Option<&str>) -> Result<u32, Refusal> {
        let mut found = self.processes.iter();
        match exec_id {
            None if self.processes.contains_key(&CONTAINER) => Ok(CONTAINER),
            None => Err((ErrorKind::WrongPhase, self.not_running())),
            Some(wanted) => found
                .find(|(_, process)| process.exec_id.as_deref() == Some(wanted))
                .map(|(number, _)| *number)
                .ok_or_else(|| (ErrorKind::NotFound, format!("no exec {wanted}"))),
        }
    }

    /// In docker's words where it is about to be started again.
    pub(super) fn not_running(&self) -> String {
        let id = &self.launch.id;
        match self.status.phase {
            Phase::Restarting => {
                format!("container {id} is restarting, wait until the container is running")
            }
            phase => format!("container {id} is {}", word(phase)),
        }
    }

    fn kill_container_by_hand(
        &mut self,
        signal: i32,
        all: bool,
        stop: bool,
    ) -> Result<(), Refusal> {
        if self.status.phase == Phase::Restarting {
            return match stop {
                true => {
                    self.give_up_restart(true);
                    Ok(())
                }
                false => Err((ErrorKind::WrongPhase, self.not_running())),
            };
        }
        // Known before the process can end of it.
        if stop && !self.status.is_stopped_by_hand {
            self.find(None)?;
            self.status.is_stopped_by_hand = true;
            self.publish();
        }
        self.kill(None, signal, all)
    }

    fn attach(&mut self, id: u32, streams: Streams) -> Result<(), Refusal> {
        let session = self.fresh_session();
        let container = self.find(None)?;
        let words = self.not_running();
        let process = self.processes.get_mut(&container).filter(|process| process.exit.is_none());
        let Some(process) = process else {
            return Err((ErrorKind::WrongPhase, words));
        };
        let descriptors = process
            .streams
            .attach(session, streams, false)
            .map_err(|error| (ErrorKind::Failed, format!("cannot attach: {error}")))?
            .ok_or_else(|| {
                (ErrorKind::Invalid, "the container has no standard input".to_owned())
            })?;
        process.streams.refresh_sources();
        self.clients.send(id, &FromMonitor::Reply(Reply::Attached), descriptors);
        if let Some(client) = self.clients.get_mut(id) {
            client.role = Role::Session { process: CONTAINER, session };
        }
        Ok(())
    }

    /// Sends the network namespace: the one that we were given, or that the container was made with.
    fn send_network_namespace(&mut self, id: u32) -> Result<(), Refusal> {
        let cannot = |error: std::io::Error| {
            (ErrorKind::Failed, format!("cannot open the network namespace: {error}"))
        };
        let namespace = match self.network.namespace() {
            Some(namespace) => namespace.try_clone_to_owned().map_err(cannot)?,
            None if self.facts.as_ref().is_none_or(|facts| !facts.owns_network) => {
                let message =
                    format!("container {} has no network namespace of its own", self.launch.id);
                return Err((ErrorKind::Invalid, message));
            }
            None => {
                let container = self.processes.get(&CONTAINER).filter(|p| p.exit.is_none());
                let pid = container.map(|process| process.pid);
                let pid = pid.ok_or_else(|| (ErrorKind::WrongPhase, self.not_running()))?;
                // Not reaped yet, so the number is still its own.
                std::fs::File::open(format!("/proc/{pid}/ns/net")).map_err(cannot)?.into()
            }
        };
        self.clients.send(id, &FromMonitor::Reply(Reply::Ok), vec![namespace]);
        Ok(())
    }

    /// A number for a new session.
    pub(super) fn fresh_session(&mut self) -> u32 {
        let in_use = self.clients.which(|role| matches!(role, Role::Session { .. }));
        let in_use: Vec<u32> = in_use
            .into_iter()
            .filter_map(|id| match self.clients.get_mut(id)?.role {
                Role::Session { session, .. } => Some(session),
                _ => None,
            })
            .collect();
        unused(&mut self.next_session, |session| in_use.contains(&session))
    }

    fn resize(&mut self, exec_id: Option<&str>, size: Size) -> Result<Option<Reply>, Refusal> {
        let process = self.find(exec_id)?;
        match self.with_streams(process, |streams| streams.resize(size)) {
            Some(Ok(true)) => {
                if exec_id.is_none() {
                    let (width, height) = (size.columns.to_string(), size.rows.to_string());
                    self.record("resize", &[("height", &height), ("width", &width)]);
                }
                Ok(Some(Reply::Ok))
            }
            Some(Err(error)) => Err((ErrorKind::Failed, format!("cannot resize: {error}"))),
            _ => Err((ErrorKind::Invalid, "there is no terminal".into())),
        }
    }

    pub(super) fn kill(
        &mut self,
        exec_id: Option<&str>,
        signal: i32,
        all: bool,
    ) -> Result<(), Refusal> {
        let number = self.find(exec_id)?;
        let signal = isopod_sys::process::signal(signal)
            .ok_or_else(|| (ErrorKind::Invalid, format!("there is no signal {signal}")))?;
        let cannot = |error| (ErrorKind::Failed, format!("cannot send the signal: {error}"));
        if all && exec_id.is_some() {
            return Err((ErrorKind::Invalid, "an exec has no processes of its own".into()));
        }
        if all {
            let cgroup = &self.facts.as_ref().ok_or((ErrorKind::WrongPhase, String::new()))?.cgroup;
            self.hierarchies.signal(cgroup, signal).map_err(cannot)?;
        } else {
            let process = self.processes.get(&number).filter(|process| process.exit.is_none());
            // Not reaped yet, so the number is still its own.
            let Some(pid) = process.and_then(|process| Pid::from_raw(process.pid)) else {
                return Err((ErrorKind::WrongPhase, self.not_running()));
            };
            kill_process(pid, signal).map_err(|error| cannot(error.into()))?;
        }
        if exec_id.is_none() {
            self.record("kill", &[("signal", &signal.as_raw().to_string())]);
        }
        if signal == Signal::KILL && self.status.phase == Phase::Paused {
            // A frozen process on v1 dies only when it is thawed.
            self.freeze(false)?;
        }
        Ok(())
    }

    fn freeze(&mut self, frozen: bool) -> Result<Option<Reply>, Refusal> {
        let (from, to) =
            if frozen { (Phase::Running, Phase::Paused) } else { (Phase::Paused, Phase::Running) };
        if self.status.phase != from {
            return Err((ErrorKind::WrongPhase, self.not_running()));
        }
        let facts = self.facts.as_ref().ok_or((ErrorKind::WrongPhase, self.not_running()))?;
        self.hierarchies.set_frozen(&facts.cgroup, frozen).map_err(|error| {
            let verb = if frozen { "freeze" } else { "thaw" };
            (ErrorKind::Failed, format!("cannot {verb} cgroup {}: {error}", facts.cgroup.display()))
        })?;
        self.set_phase(to);
        Ok(Some(Reply::Ok))
    }

    fn wait(&mut self, id: u32, exec_id: Option<&str>) -> Result<(), Refusal> {
        let process = match exec_id {
            // The next end is the one that is waited for.
            None if self.status.phase == Phase::Restarting => CONTAINER,
            _ => self.find(exec_id)?,
        };
        if let Some(client) = self.clients.get_mut(id) {
            client.role = Role::Waiting { process };
        }
        self.clients.reply(id, Reply::Ok);
        Ok(())
    }

    fn execs(&self) -> Vec<Exec> {
        let of = |process: &super::Process| {
            Some(Exec {
                exec_id: process.exec_id.clone()?,
                pid: process.pid,
                args: process.args.clone(),
                terminal: process.is_terminal,
            })
        };
        self.processes.values().filter(|process| process.exit.is_none()).filter_map(of).collect()
    }

    fn reopen_log(&mut self) -> Result<Option<Reply>, Refusal> {
        if self.status.phase == Phase::Restarting {
            // It is opened by its name when the container is started.
            return Ok(Some(Reply::Ok));
        }
        let container = self.find(None)?;
        match self.with_streams(container, |streams| streams.log().map(|log| log.reopen())) {
            Some(Some(Ok(()))) => Ok(Some(Reply::Ok)),
            Some(Some(Err(error))) => {
                Err((ErrorKind::Failed, format!("cannot open the log: {error}")))
            }
            _ => Err((ErrorKind::Invalid, format!("container {} has no log", self.launch.id))),
        }
    }

    /// Tells everybody who waits for it that a process has ended.
    pub(super) fn tell_exited(
        &mut self,
        number: u32,
        exit: &isopod_monitor_protocol::status::Exit,
    ) {
        let concerns = |role| match role {
            Role::Session { process, .. } | Role::Waiting { process } => process == number,
            _ => false,
        };
        for id in self.clients.which(concerns) {
            self.clients.conclude(id, Event::Exited { exit: exit.clone() });
        }
    }
}

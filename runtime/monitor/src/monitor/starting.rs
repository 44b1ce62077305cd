//! Launchers: what they are given, and what becomes of their reports.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use isopod_monitor_protocol::frame::Decoder;
use isopod_monitor_protocol::message::{ErrorKind, FromMonitor, Handed, Reply, Size, Streams};
use isopod_monitor_protocol::state;
use isopod_monitor_protocol::status::{Exit, Phase};
use isopod_monitor_protocol::time::Timestamp;
use isopod_sys::step::step;
use rustix::process::{Pid, WaitStatus};

use super::clients::{Role, unused};
use super::{CONTAINER, Monitor, Process};
use crate::guard::Guard;
use crate::launcher::{self, Given, Job, Report};
use crate::log::Log;
use crate::network::Joined;
use crate::poll::{Interest, Token, Watched};
use crate::spec;
use crate::stdio::{InputPolicy, Plan, Streamed};

/// A process whose launcher is at work.
#[derive(Debug)]
pub struct Starting {
    launcher: Pid,
    report: Watched,
    decoder: Decoder,
    client: u32,
    /// The session, and the client's ends of its pipes.
    session: Option<(u32, Vec<OwnedFd>)>,
    process: Process,
}

type Refusal = (ErrorKind, String);

pub(super) fn cannot(what: &'static str) -> impl FnOnce(io::Error) -> Refusal {
    move |error| (ErrorKind::Failed, format!("cannot {what}: {error}"))
}

impl Starting {
    /// The launcher's process id.
    pub fn launcher(&self) -> Pid {
        self.launcher
    }
}

impl Monitor {
    /// Answers `Run`. Whatever fails here ends the monitor too.
    pub(super) fn run_container(
        &mut self,
        id: u32,
        attach: Option<Streams>,
        size: Option<Size>,
        handed: &[Handed],
    ) {
        let mut descriptors = Vec::new();
        if let Some(client) = self.clients.get_mut(id) {
            client.role = Role::Starting;
            descriptors = client.take_handed();
        }
        let again = self.launch.again.take();
        let begun = self
            .claim()
            .map_err(|message| (ErrorKind::Failed, message))
            .and_then(|()| {
                let taken = self.network.take(&self.launch, handed, descriptors);
                self.joined = taken.map_err(|error| (ErrorKind::Invalid, error.to_string()))?;
                Ok(())
            })
            .and_then(|()| match again {
                Some(again) => self.await_restart(id, again),
                None => self.launch_container(id, attach, size),
            });
        if let Err((kind, message)) = begun {
            self.container_failed(id, kind, message);
        }
    }

    pub(super) fn launch_container(
        &mut self,
        id: u32,
        attach: Option<Streams>,
        size: Option<Size>,
    ) -> Result<(), Refusal> {
        let facts = self.facts.as_ref().expect("claim has just found that there are facts");
        let attached = attach.unwrap_or_default();
        let input_policy = match (self.launch.stdin_once, self.launch.open_stdin) {
            (true, _) => InputPolicy::Once,
            (false, true) => InputPolicy::Open,
            (false, false) => InputPolicy::WhileFed,
        };
        let plan = Plan {
            process: CONTAINER,
            is_terminal: facts.terminal,
            has_input: facts.terminal || self.launch.open_stdin || attached.stdin,
            has_output: [true; 2],
            input_policy,
            log: Log::open(&self.launch.log, &self.poller),
            keeps: 0,
            uid: facts.uid,
            size,
        };
        std::fs::create_dir_all(self.launch.state.join(state::ROOTFS))
            .map_err(cannot("make the mount point"))?;
        let guard = if facts.can_nest_pids {
            Guard::nest()
        } else {
            Guard::watch(self.hierarchies.clone(), facts.cgroup.clone())
        };
        let process = Process {
            exec_id: None,
            args: Vec::new(),
            is_terminal: facts.terminal,
            pid: 0,
            exit: None,
            streams: Streamed::none(&self.poller),
        };
        self.guard = Some(guard.map_err(cannot("start a guard"))?);
        step("monitor.guarded");
        let begun = self.begin(id, plan, attach, process, Job::Container);
        if let Some(guard) = &self.guard {
            guard.leave_nest().map_err(cannot("come back to the pid namespace"))?;
        }
        begun?;
        // While the launcher works:
        step("monitor.launching");
        self.be_reachable()?;
        step("monitor.reachable");
        if self.status.phase != Phase::Restarting {
            self.set_phase(Phase::Starting);
        }
        Ok(())
    }

    /// Has a socket and a keeper, as they were or new.
    pub(super) fn be_reachable(&mut self) -> Result<(), Refusal> {
        if self.listener.is_none() {
            self.open_socket().map_err(cannot("make the control socket"))?;
        }
        self.keep();
        Ok(())
    }

    /// Answers `Exec`.
    pub(super) fn run_exec(
        &mut self,
        id: u32,
        exec_id: String,
        process: oci_spec::runtime::Process,
        streams: Streams,
        size: Option<Size>,
    ) -> Result<(), Refusal> {
        if self.status.phase != Phase::Running {
            return Err((ErrorKind::WrongPhase, self.not_running()));
        }
        let of_same_name = |process: &Process| process.exec_id.as_ref() == Some(&exec_id);
        let mut starting = self.starting.values().map(|starting| &starting.process);
        if self.processes.values().any(of_same_name) || starting.any(of_same_name) {
            return Err((ErrorKind::AlreadyExists, format!("exec {exec_id} exists")));
        }
        spec::check_exec(&process).map_err(|error| (ErrorKind::Invalid, error.to_string()))?;
        let is_terminal = process.terminal().unwrap_or(false);
        let plan = Plan {
            process: self.fresh_process(),
            is_terminal,
            has_input: is_terminal || streams.stdin,
            has_output: [streams.stdout, streams.stderr],
            input_policy: InputPolicy::WhileFed,
            log: None,
            keeps: 0,
            uid: self
                .facts
                .as_ref()
                .map_or(process.user().uid(), |facts| facts.on_host(process.user().uid())),
            size,
        };
        let ours = Process {
            exec_id: Some(exec_id),
            args: process.args().clone().unwrap_or_default(),
            is_terminal,
            pid: 0,
            exit: None,
            streams: Streamed::none(&self.poller),
        };
        let asks = streams.stdin || streams.stdout || streams.stderr;
        self.begin(id, plan, asks.then_some(streams), ours, Job::Exec(&process))?;
        step("exec.launching");
        if let Some(client) = self.clients.get_mut(id) {
            client.role = Role::Starting;
        }
        Ok(())
    }

    pub(super) fn fresh_process(&mut self) -> u32 {
        unused(&mut self.next_process, |number| {
            number == CONTAINER
                || self.processes.contains_key(&number)
                || self.starting.contains_key(&number)
        })
    }

    /// Forks a launcher for a process.
    pub(super) fn begin(
        &mut self,
        client: u32,
        plan: Plan,
        attach: Option<Streams>,
        mut process: Process,
        job: Job<'_>,
    ) -> Result<(), Refusal> {
        let number = plan.process;
        // Only the session that a process begins with holds it up.
        let (mut streams, stdio) =
            Streamed::new(&self.poller, plan).map_err(cannot("make pipes"))?;
        let mut session = None;
        if let Some(attach) = attach {
            let id = self.fresh_session();
            let descriptors = streams.attach(id, attach, true).map_err(cannot("make pipes"))?;
            session = descriptors.map(|descriptors| (id, descriptors));
        }
        process.streams = streams;
        let facts = self.facts.as_ref().ok_or((ErrorKind::WrongPhase, String::new()))?;
        let joined = match job {
            Job::Container => std::mem::take(&mut self.joined),
            Job::Exec(_) => Joined::default(),
        };
        let given = Given {
            network: self.network.namespace(),
            users: self.network.users(),
            pid: joined.pid.as_ref().map(AsFd::as_fd),
            ipc: joined.ipc.as_ref().map(AsFd::as_fd),
            uts: joined.uts.as_ref().map(AsFd::as_fd),
            mount: joined.mount.as_ref().map(AsFd::as_fd),
        };
        let launcher = launcher::fork(&self.launch, &self.hierarchies, facts, job, given, stdio)
            .map_err(cannot("fork a launcher"))?;
        launcher.report.set_nonblocking(true).map_err(cannot("watch the launcher"))?;
        let mut report = Watched::new(&self.poller, launcher.report.into(), Token::Report(number));
        report.set(Interest::Read).map_err(cannot("watch the launcher"))?;
        let decoder = Decoder::default();
        let starting =
            Starting { launcher: launcher.pid, report, decoder, client, session, process };
        self.starting.insert(number, starting);
        Ok(())
    }

    /// Takes what a launcher says.
    pub(super) fn read_report(&mut self, number: u32) {
        let Some(starting) = self.starting.get_mut(&number) else { return };
        let Ok(length) = starting.decoder.receive(starting.report.as_fd()) else { return };
        match starting.decoder.next_message::<Report>() {
            Ok(Some(report)) => self.resolve(number, report),
            Ok(None) if length > 0 => {}
            // Its end is reported when it is reaped; the end of the stream would be all the time.
            _ => starting.report.set(Interest::None).unwrap_or(()),
        }
    }

    /// Whether the child that ended was a launcher. One that says nothing has failed.
    pub(super) fn launcher_ended(&mut self, pid: Pid, status: WaitStatus) -> bool {
        let mut all = self.starting.iter();
        let Some(number) = all.find(|(_, s)| s.launcher == pid).map(|(number, _)| *number) else {
            // Most have been resolved when they end.
            return false;
        };
        self.read_report(number);
        if self.starting.contains_key(&number) {
            let how = match status.terminating_signal() {
                Some(signal) => format!("was killed by signal {signal}"),
                None => format!("ended with status {}", status.exit_status().unwrap_or(0)),
            };
            let message = format!("launcher {how}");
            self.has_strays = true;
            self.resolve(number, Report::Failed { kind: ErrorKind::Failed, message });
        }
        true
    }

    fn resolve(&mut self, number: u32, report: Report) {
        let Some(mut starting) = self.starting.remove(&number) else { return };
        self.starter = None;
        let terminal = starting.decoder.take_descriptors().pop();
        match report {
            Report::Failed { kind, message } if number == CONTAINER => {
                self.container_failed(starting.client, kind, message);
            }
            Report::Failed { message, .. } if self.is_check(number) => {
                self.check_failed(message);
            }
            Report::Failed { kind, message } => {
                self.clients.refuse(starting.client, kind, message);
                if let Some(client) = self.clients.get_mut(starting.client) {
                    client.role = Role::Done;
                }
            }
            Report::Started { pid } => self.started(number, starting, pid, terminal),
        }
        super::trim();
    }

    fn started(&mut self, number: u32, starting: Starting, pid: i32, terminal: Option<OwnedFd>) {
        let Starting { client, session, mut process, .. } = starting;
        process.pid = pid;
        let mut ready = Ok(());
        if let Some(terminal) = terminal {
            ready = process.streams.take_terminal(terminal);
        }
        // Should this fail, there is no output; the process runs all the same.
        ready.and_then(|()| process.streams.begin()).unwrap_or(());
        self.processes.insert(number, process);
        if number == CONTAINER {
            step("monitor.reported");
            let is_restart = self.status.phase == Phase::Restarting;
            self.mark_started(pid);
            if is_restart {
                self.restarted();
            }
        } else {
            step("exec.reported");
        }
        step("monitor.started");
        let (session, descriptors) = session.unzip();
        let reply = FromMonitor::Reply(Reply::Started { pid });
        self.clients.send(client, &reply, descriptors.unwrap_or_default());
        match self.clients.get_mut(client) {
            Some(client) => {
                client.role = match session {
                    Some(session) => Role::Session { process: number, session },
                    None => Role::Waiting { process: number },
                };
            }
            // The client went away meanwhile.
            None => {
                if let Some(session) = session {
                    self.with_streams(number, |streams| streams.detach(session));
                }
            }
        }
        if let Some(status) = self.unclaimed.remove(&pid) {
            self.process_ended(number, status);
        }
    }

    /// The container didn't start: says so, undoes what was done, and ends the monitor.
    fn container_failed(&mut self, client: u32, kind: ErrorKind, message: String) {
        let code = match kind {
            ErrorKind::CommandNotFound => 127,
            ErrorKind::CommandNotExecutable => 126,
            _ => 125,
        };
        if self.status.phase == Phase::Restarting {
            self.clients.refuse(client, kind, message.clone());
            return self.restart_failed(code, message);
        }
        // Without the lock, what is there is another monitor's.
        if self.lock.is_some() {
            self.status.exit = Some(Exit {
                code,
                signal: None,
                oom_killed: false,
                error: Some(message.clone()),
                at: Timestamp::now(),
            });
            self.starting.clear();
            self.undo();
            self.set_phase(Phase::Failed);
        }
        self.clients.refuse(client, kind, message);
        // Whoever is told removes it too; if nobody can be told, the command that is to follow does.
        self.is_followed = self.clients.get_mut(client).is_some();
        self.is_over = true;
    }
}

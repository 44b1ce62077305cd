//! The event loop and what it keeps: clients, processes, the container's phase.
//!
//! - [`clients`]: connections, and what is sent on them;
//! - [`requests`]: what clients ask;
//! - [`starting`]: launchers, and what becomes of their reports;
//! - [`ending`]: ends of processes, and of the container;
//! - [`restarting`]: what a restart policy makes of such an end;
//! - [`health`]: health checks;
//! - [`journal`]: what is recorded of all that;
//! - [`memory`]: whether the out-of-memory killer came, where the group may be gone too early.

mod clients;
mod ending;
mod health;
mod journal;
mod memory;
mod requests;
mod restarting;
mod starting;

use std::collections::BTreeMap;
use std::io::{self, PipeWriter};
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::status::{Exit, Phase, Status};
use isopod_monitor_protocol::time::Timestamp;
use isopod_monitor_protocol::{VERSION, data, state};
use isopod_sys::atomic;
use isopod_sys::cgroup::Hierarchies;
use isopod_sys::lock::Lock;
use isopod_sys::process;
use isopod_sys::step::step;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::WaitStatus;

use crate::cleanup;
use crate::guard::Guard;
use crate::keeper::Keeper;
use crate::network::{Joined, Network};
use crate::poll::{Interest, Poller, Token, Watched};
use crate::spec::{Facts, SpecError};
use crate::start;
use clients::Clients;
pub use clients::unused;
use health::Checks;
pub(crate) use journal::record_end;
use restarting::Restarting;
use starting::Starting;

/// Why a monitor can't go on: what it attempted, and what the system said.
#[derive(Debug, thiserror::Error)]
#[error("cannot {0}: {1}")]
pub struct MonitorError(pub &'static str, pub io::Error);

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> MonitorError {
    move |error| MonitorError(what, error)
}

/// How long a lock that somebody has is waited for: longer than a look takes, or the end of a clean-up.
const LOOKERS: Duration = Duration::from_secs(2);

/// The number of the container's own process among this monitor's processes; execs count up from it.
const CONTAINER: u32 = 0;

/// A monitor.
#[derive(Debug)]
pub struct Monitor {
    launch: Launch,
    hierarchies: Hierarchies,
    facts: Option<Facts>,
    /// Why there are no facts.
    spec_error: Option<SpecError>,
    /// Closed when the container has started or failed to: nothing needs to be kept ready for it.
    starter: Option<PipeWriter>,
    guard: Option<Guard>,
    keeper: Option<Keeper>,
    /// Held for as long as we live; `None` until `Run`.
    lock: Option<Lock>,
    listener: Option<(UnixListener, Watched)>,
    signals: SignalFd,
    _signals_watched: Watched,
    poller: Rc<Poller>,
    clients: Clients,
    network: Network,
    /// For the first start, which drops them.
    joined: Joined,
    starting: BTreeMap<u32, Starting>,
    processes: BTreeMap<u32, Process>,
    /// Ends of children that no launcher has reported yet.
    unclaimed: BTreeMap<i32, WaitStatus>,
    next_process: u32,
    next_session: u32,
    status: Status,
    restarting: Restarting,
    checks: Checks,
    /// Whether a launcher was killed, and what it was making has to be looked for.
    has_strays: bool,
    /// See [`memory`].
    memory: Option<Watched>,
    is_oom_seen: bool,
    /// Set when there is nothing left to monitor.
    is_over: bool,
    /// Whether who started the container was attached to it up to its end.
    is_followed: bool,
}

/// A process that runs, or has ended with output still to be handed over.
#[derive(Debug)]
struct Process {
    exec_id: Option<String>,
    args: Vec<String>,
    is_terminal: bool,
    pid: i32,
    streams: crate::stdio::Streamed,
    exit: Option<Exit>,
}

impl Monitor {
    /// A monitor that knows nothing but its first client.
    pub fn new(
        hierarchies: Hierarchies,
        launch: Launch,
        facts: Result<Facts, SpecError>,
        control: UnixStream,
        starter: PipeWriter,
    ) -> Result<Self, MonitorError> {
        let poller = Poller::new().map_err(failed("make an event queue"))?;
        let signals = watch_signals().map_err(failed("watch signals"))?;
        let copy = std::os::fd::AsFd::as_fd(&signals).try_clone_to_owned();
        let copy = copy.map_err(failed("watch signals"))?;
        let mut watched = Watched::new(&poller, copy, Token::Signal);
        watched.set(Interest::Read).map_err(failed("watch signals"))?;
        let network = Network::new(&poller, &launch);
        let mut clients = Clients::new(&poller);
        clients.add_first(control).map_err(failed("watch the control connection"))?;
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_err(failed("read the boot id"))?;
        let status = Status {
            version: VERSION,
            boot_id: boot_id.trim_end().to_owned(),
            monitor: std::process::id().try_into().unwrap_or(0),
            phase: Phase::Starting,
            pid: 0,
            started_at: None,
            exit: None,
            restarts: 0,
            is_stopped_by_hand: false,
            pause: 0,
            awaits_policy: false,
            health: None,
        };
        let (facts, spec_error) = match facts {
            Ok(facts) => (Some(facts), None),
            Err(error) => (None, Some(error)),
        };
        Ok(Self {
            launch,
            hierarchies,
            facts,
            spec_error,
            starter: Some(starter),
            guard: None,
            keeper: None,
            lock: None,
            listener: None,
            signals,
            _signals_watched: watched,
            poller,
            clients,
            network,
            joined: Joined::default(),
            starting: BTreeMap::new(),
            processes: BTreeMap::new(),
            unclaimed: BTreeMap::new(),
            next_process: CONTAINER,
            next_session: 0,
            status,
            restarting: Restarting::default(),
            checks: Checks::default(),
            has_strays: false,
            memory: None,
            is_oom_seen: false,
            is_over: false,
            is_followed: false,
        })
    }

    /// Runs until the container has ended and everything of it is gone. With a command to be run
    /// afterwards this returns only if that fails.
    pub fn run(mut self) -> Result<(), MonitorError> {
        while !self.is_over {
            let now = Instant::now();
            let timeout = self.deadline().map(|at| at.saturating_duration_since(now));
            let ready = self.poller.wait(timeout).map_err(failed("wait for events"))?;
            for token in ready {
                self.handle(token);
            }
            self.network.expire();
            self.settle();
        }
        self.leave()
    }

    fn handle(&mut self, token: Token) {
        match token {
            Token::Signal => self.take_signals(),
            Token::Listener => self.accept(),
            Token::Client(client) => self.serve(client),
            Token::Report(process) => self.read_report(process),
            Token::Output(process, stream) => {
                let lagged = self.with_streams(process, |streams| streams.pump_output(stream));
                self.tell_lagged(lagged.unwrap_or_default());
            }
            Token::Input(process) => {
                self.with_streams(process, crate::stdio::Streamed::pump_input);
            }
            Token::Source(process, session) => {
                self.with_streams(process, |streams| streams.pump_source(session));
            }
            Token::Sink(process, stream, session) => {
                self.with_streams(process, |streams| streams.pump_sink(stream, session));
            }
            Token::Memory => self.look_at_memory(),
            Token::Log => {
                self.with_streams(CONTAINER, |streams| streams.log().map(crate::log::Log::pump));
            }
            Token::Network(part, id) => self.network.handle(part, id),
        }
    }

    fn with_streams<T>(
        &mut self,
        process: u32,
        act: impl FnOnce(&mut crate::stdio::Streamed) -> T,
    ) -> Option<T> {
        self.processes.get_mut(&process).map(|process| act(&mut process.streams))
    }

    fn deadline(&self) -> Option<Instant> {
        let streams = self.processes.values().filter_map(|process| process.streams.deadline());
        let timers = self.restart_deadline().into_iter().chain(self.health_deadline());
        streams.chain(timers).chain(self.network.deadline()).min()
    }

    /// The first thing `Run` does: nobody else may monitor this container, and it needs to
    /// be one that we can run.
    fn claim(&mut self) -> Result<(), String> {
        let end = Instant::now() + LOOKERS;
        let mut taken = start::take_state(&self.launch.state);
        // A command that looks whether there is a monitor, or cleans up after one, holds it for a moment.
        while matches!(taken, Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
            taken = start::take_state(&self.launch.state);
        }
        match taken {
            Ok(Some(lock)) => {
                self.lock = Some(lock);
                step("monitor.claimed");
            }
            Ok(None) => return Err(format!("container {} is monitored already", self.launch.id)),
            Err(error) => {
                return Err(format!("cannot take {}: {error}", self.launch.state.display()));
            }
        }
        if let Some(error) = self.spec_error.take() {
            return Err(error.to_string());
        }
        if self.launch.state.join(state::OCI).exists() {
            // Of a monitor that was killed when it had recorded its container's end, and undone nothing.
            self.undo_former()?;
        }
        if self.facts.as_ref().is_some_and(|facts| facts.terminal != self.launch.terminal) {
            return Err("launch.json and config.json disagree about the terminal".to_owned());
        }
        Ok(())
    }

    fn undo_former(&self) -> Result<(), String> {
        let facts = self.facts.as_ref();
        let cgroup = facts.map(|facts| facts.cgroup.as_path());
        let has_epilogue = facts.is_some_and(|facts| facts.has_epilogue);
        cleanup::remove(&self.launch, &self.hierarchies, cgroup, has_epilogue)
            .map_err(|error| format!("cannot undo the last run: {error}"))
    }

    fn open_socket(&mut self) -> io::Result<()> {
        let listener = start::bind(&self.launch.state)?;
        let mut watched = Watched::new(&self.poller, listener.try_clone()?.into(), Token::Listener);
        watched.set(Interest::Read)?;
        self.listener = Some((listener, watched));
        Ok(())
    }

    /// Makes the current status known to whoever reads the file. A disk that refuses must not end
    /// the container: then the file is out of date, and the socket answers rightly.
    fn publish(&self) {
        let path = self.launch.data.join(data::STATUS);
        if let Ok(bytes) = serde_json::to_vec(&self.status) {
            atomic::write_even_if_full(&path, &bytes, 0o600).ok();
        }
    }

    fn set_phase(&mut self, phase: Phase) {
        self.status.phase = phase;
        self.publish();
    }

    fn mark_started(&mut self, pid: i32) {
        self.status.pid = pid;
        self.status.started_at = Some(Timestamp::now());
        self.watch_memory();
        self.begin_checks();
        self.set_phase(Phase::Running);
        self.record("start", &[]);
    }

    fn take_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            match i32::try_from(signal.ssi_signo) {
                Ok(libc::SIGCHLD) => {}
                // Asked to end, by a shutdown or by hand: not without the container.
                _ => self.shut_down(),
            }
        }
        self.reap();
    }
}

fn watch_signals() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// Gives memory back that was needed to start something.
fn trim() {
    process::trim_heap();
}

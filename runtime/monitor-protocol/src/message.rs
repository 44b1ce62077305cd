//! Requests, replies and events on a monitor's socket.
//!
//! A connection carries one [`Request`], its [`Reply`], and for [`Request::Run`],
//! [`Request::Attach`], [`Request::Exec`] and [`Request::Wait`] then [`Event`]s, the last
//! of which is `Exited`. Only [`Request::Resize`] may follow on a connection that has a session.
//!
//! Sessions: the reply's descriptors are the client's ends of pipes made for this session, in the
//! order stdin (write), stdout (read), stderr (read), each only if asked for; a terminal's output is all
//! stdout. Closing the stdin end is end of file. The session that `Run` opened is lossless: if its reader is
//! slow, the container's writes wait, as they would for any pipe. Other sessions never hold the container up:
//! one that falls behind by more than its pipe is ended with `Event::Lagged`.

use oci_spec::runtime::Process;
use serde::{Deserialize, Serialize};

use crate::launch::{Forward, Restart};
use crate::status::{Exit, Status};

/// The first message of a client, with the version it speaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// [`crate::VERSION`] of the client.
    pub version: u32,
    /// What it wants.
    pub request: Request,
}

/// Which of a process's standard streams a session wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streams {
    /// Feed standard input.
    pub stdin: bool,
    /// Read standard output (of a terminal: everything).
    pub stdout: bool,
    /// Read standard error (never of a terminal).
    pub stderr: bool,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

/// What a client may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
pub enum Request {
    /// Start the container. Only on the socket that the monitor inherited as standard input.
    Run {
        /// The session to open before the process starts, so that nothing is lost; `None`: detached.
        attach: Option<Streams>,
        /// The terminal's first size.
        size: Option<Size>,
        /// What the descriptors that come with this message are, in their order.
        #[serde(default)]
        handed: Vec<Handed>,
    },
    /// The current [`Status`].
    Status,
    /// Open a session on the container's own process.
    Attach {
        /// Which streams.
        streams: Streams,
    },
    /// Start another process in the container.
    Exec {
        /// The caller's name for it; unique among those that run.
        exec_id: String,
        /// The whole process, users already looked up.
        process: Box<Process>,
        /// Which streams; the others are `/dev/null`.
        streams: Streams,
        /// Its terminal's first size.
        size: Option<Size>,
    },
    /// Set a terminal's size.
    Resize {
        /// Of this exec; `None`: of the container's own process.
        exec_id: Option<String>,
        /// The new size.
        size: Size,
    },
    /// Send a signal.
    Kill {
        /// To this exec; `None`: to the container's own process.
        exec_id: Option<String>,
        /// The signal's number.
        signal: i32,
        /// To every process of the container.
        all: bool,
        /// Whether it is to stay down: no restart policy applies to the end that follows, nor after a boot.
        #[serde(default)]
        stop: bool,
    },
    /// Send a signal to the container's own process, and start nothing any more when that ends. Unlike a
    /// `Kill` with `stop` this isn't remembered: the next boot asks the policy.
    ShutDown {
        /// The signal's number.
        signal: i32,
    },
    /// Apply another restart policy from now on.
    SetRestart {
        /// The policy.
        restart: Restart,
        /// Takes the place of `launch.json`'s, for a policy has to be applied after the monitor's death too.
        #[serde(default)]
        after_exit: Vec<String>,
    },
    /// Lead what reaches published ports elsewhere from now on, as the container's networks have changed. A port
    /// that is not among these stays held and leads nowhere: who asks is reset.
    SetForwards {
        /// Ports of `launch.json`'s, by protocol and host address, with their new targets.
        forwards: Vec<Forward>,
    },
    /// The container's network namespace, as a descriptor with the reply `Ok`.
    NetworkNamespace,
    /// Freeze.
    Pause,
    /// Thaw.
    Resume,
    /// Wait for the end of the container or of an exec.
    Wait {
        /// Of this exec; `None`: of the container.
        exec_id: Option<String>,
    },
    /// The execs that run.
    ListExecs,
    /// Open the log file anew, after somebody renamed it.
    ReopenLog,
}

/// What a descriptor that comes with `Run` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handed {
    /// The container's network namespace, kept for as long as the monitor lives: restarts by policy find
    /// devices, addresses and ports as they were. `config.json` names it by [`crate::state::NETWORK_NAMESPACE`].
    /// In a container with a user namespace it must be one that was made inside that one, or joining
    /// it is refused by the kernel.
    NetworkNamespace,
    /// Another container's pid namespace, for the next start only, as the three that follow: by the time of
    /// another one that container may have a new one. `config.json` names it by
    /// [`crate::state::PID_NAMESPACE`].
    PidNamespace,
    /// Another container's IPC namespace, [`crate::state::IPC_NAMESPACE`].
    IpcNamespace,
    /// Another container's UTS namespace, [`crate::state::UTS_NAMESPACE`].
    UtsNamespace,
    /// Another container's mount namespace, in which `launch.json`'s [`crate::launch::Part::SharedMemory`]
    /// is found.
    MountNamespace,
    /// The user namespace that the container lives in, kept as the network namespace is. `config.json` names it by
    /// [`crate::state::USER_NAMESPACE`], and says in its `uidMappings` what it maps.
    UserNamespace,
    /// A datagram socket in that namespace, bound where the container expects its name server.
    ResolverDatagram,
    /// A listening socket there.
    ResolverStream,
    /// The next of `launch.json`'s `forwards`: listening (TCP) or bound (UDP, SCTP).
    Forward,
}

/// What the monitor answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reply")]
pub enum Reply {
    /// Done.
    Ok,
    /// The container or exec runs; with the session's descriptors.
    Started {
        /// Its process id in the host's pid namespace.
        pid: i32,
    },
    /// A session is open; with its descriptors.
    Attached,
    /// For `Status`.
    Status {
        /// The status.
        status: Box<Status>,
    },
    /// For `ListExecs`.
    Execs {
        /// Those that run.
        execs: Vec<Exec>,
    },
    /// Refused or failed.
    Error {
        /// What kind.
        kind: ErrorKind,
        /// What, and with which object: a lowercase fragment.
        message: String,
    },
}

/// An exec that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// Its name.
    pub exec_id: String,
    /// Its process id in the host's pid namespace.
    pub pid: i32,
    /// Its arguments.
    pub args: Vec<String>,
    /// Whether it has a terminal.
    pub terminal: bool,
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The program to start does not exist: status 127.
    CommandNotFound,
    /// The program to start may not be executed: status 126.
    CommandNotExecutable,
    /// No such exec.
    NotFound,
    /// An exec of that name runs.
    AlreadyExists,
    /// Not in this phase (exec in a paused container, pause of a paused one).
    WrongPhase,
    /// The client speaks a version that this monitor does not.
    Version,
    /// The request is malformed or not allowed on this connection.
    Invalid,
    /// Anything else: the message says.
    Failed,
}

/// What happens later on a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The process this connection is about has ended and all its output was handed over.
    Exited {
        /// How.
        exit: Exit,
    },
    /// The session read too slowly and was ended; the container runs on.
    Lagged,
}

/// A message from monitor to client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", untagged)]
pub enum FromMonitor {
    /// An answer.
    Reply(Reply),
    /// Something that happened.
    Event(Event),
}

//! One command line: built, run to its end under a deadline, or left running.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::Outcome;
use crate::network::{self, NetworkNamespace};

/// Longer than anything a test waits for on purpose; a hang fails, with what was printed.
const DEADLINE: Duration = Duration::from_secs(120);

/// A command with nothing of the caller's environment but `PATH`.
#[derive(Debug)]
pub struct Invocation {
    command: Command,
    shown: String,
    stdin: Vec<u8>,
    deadline: Duration,
    namespace: Option<OwnedFd>,
}

impl Invocation {
    pub fn new<A: AsRef<OsStr>>(
        program: impl AsRef<Path>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let program = program.as_ref();
        let mut shown = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for arg in &args {
            shown = format!("{shown} {}", arg.to_string_lossy());
        }
        let mut command = Command::new(program);
        command.args(args).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        Self { command, shown, stdin: Vec::new(), deadline: DEADLINE, namespace: None }
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Inside a network namespace.
    pub fn within(mut self, namespace: &NetworkNamespace) -> Self {
        self.namespace = Some(namespace.descriptor());
        self
    }

    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.start().outcome()
    }

    /// Starts it, in a process group of its own, and leaves it running.
    #[track_caller]
    pub fn start(mut self) -> Running {
        let stdin = if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let spawned = match &self.namespace {
            Some(namespace) => network::spawn(&mut self.command, namespace),
            None => self.command.spawn(),
        };
        let mut child =
            spawned.unwrap_or_else(|error| panic!("could not start {}: {error}", self.shown));
        if let Some(mut pipe) = child.stdin.take() {
            let bytes = self.stdin;
            // A command that does not read all of its input is no failure of the test's.
            thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        Running {
            stdout: Some(collect(child.stdout.take().expect("stdout is piped"))),
            stderr: Some(collect(child.stderr.take().expect("stderr is piped"))),
            child,
            shown: self.shown,
            since: Instant::now(),
            deadline: self.deadline,
        }
    }

    /// For those who run it in another way: the command and how it is shown.
    pub(crate) fn into_command(self) -> (Command, String) {
        (self.command, self.shown)
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// The exit code as a shell gives it.
pub(crate) fn code_of(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// A command that has not been waited for. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    shown: String,
    since: Instant,
    deadline: Duration,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_none()
    }

    /// Signals the process itself, not its group.
    pub fn signal(&self, signal: Signal) {
        kill(self.process(), signal).expect("the child is not reaped yet");
    }

    fn process(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process ids are small"))
    }

    /// Waits for its end so long, and kills it then: for one that has no reason to end.
    #[track_caller]
    pub fn outcome_or_kill(mut self, patience: Duration) -> Outcome {
        while self.is_running() && self.since.elapsed() < patience {
            thread::sleep(Duration::from_millis(2));
        }
        if self.is_running() {
            killpg(self.process(), Signal::SIGKILL).ok();
        }
        self.outcome()
    }

    /// Waits for its end and for the end of its output.
    #[track_caller]
    pub fn outcome(mut self) -> Outcome {
        let mut late = false;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            if self.since.elapsed() > self.deadline && !late {
                late = true;
                killpg(self.process(), Signal::SIGKILL).ok();
            }
            thread::sleep(Duration::from_millis(2));
        };
        let outcome = Outcome {
            command: self.shown.clone(),
            code: code_of(status),
            took: self.since.elapsed(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
        };
        assert!(!late, "should have ended within {:?}\n{outcome}", self.deadline);
        outcome
    }
}

fn text(reader: Option<JoinHandle<Vec<u8>>>) -> String {
    let bytes = reader.expect("output is taken once").join().expect("the reader does not panic");
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            killpg(self.process(), Signal::SIGKILL).ok();
            self.child.wait().ok();
        }
    }
}

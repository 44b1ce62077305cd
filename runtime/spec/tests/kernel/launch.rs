//! One container by libcontainer, from a process without threads.

use std::path::Path;
use std::process::ExitCode;

use isopod_spec::seccomp::Machine;
use isopod_spec::seccomp::bpf::{Program, assemble};
use libcontainer::capabilities::drop_privileges;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::{SyscallType, create_syscall};
use libcontainer::workload::default::DefaultExecutor;
use libcontainer::workload::{Executor, ExecutorError, ExecutorValidationError};
use oci_spec::runtime::{LinuxCapabilities, LinuxSeccomp, Spec};
use rustix::process::{Pid, WaitOptions, waitpid};

/// Creates, starts, awaits and deletes the container; its exit status is ours.
pub fn run(bundle: &Path, state: &Path, id: &str) -> ExitCode {
    match attempt(bundle, state, id) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("libcontainer: {error:?}");
            ExitCode::from(125)
        }
    }
}

fn attempt(bundle: &Path, state: &Path, id: &str) -> Result<u8, Box<dyn std::error::Error>> {
    let executor = Filtering { confinement: confinement(bundle)?, inner: DefaultExecutor {} };
    let mut container = ContainerBuilder::new(id.to_owned(), SyscallType::default())
        .with_root_path(state)?
        .with_executor(executor)
        .as_init(bundle)
        .with_systemd(false)
        .with_detach(false)
        .build()?;
    let pid = container.pid().and_then(|pid| Pid::from_raw(pid.as_raw()));
    let status = container.start().map_err(Box::from).and_then(|()| await_exit(pid));
    container.delete(true)?;
    status
}

fn await_exit(pid: Option<Pid>) -> Result<u8, Box<dyn std::error::Error>> {
    match waitpid(pid, WaitOptions::empty())? {
        Some((_, status)) => match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ok(u8::try_from(code)?),
            (_, Some(signal)) => Ok(128 + u8::try_from(signal)?),
            _ => Err("neither exited nor killed".into()),
        },
        None => Err("no child".into()),
    }
}

/// The file with what libcontainer shall not load: the filter, and the capabilities that are left
/// after that.
pub const CONFINEMENT: &str = "confinement.json";

#[derive(Clone)]
struct Confinement {
    program: Program,
    capabilities: LinuxCapabilities,
}

fn confinement(bundle: &Path) -> Result<Option<Confinement>, Box<dyn std::error::Error>> {
    match std::fs::read(bundle.join(CONFINEMENT)) {
        Ok(document) => {
            let (filter, capabilities): (LinuxSeccomp, _) = serde_json::from_slice(&document)?;
            let program = assemble(&filter, Machine::BUILT_FOR)?;
            Ok(Some(Confinement { program, capabilities }))
        }
        Err(_) => Ok(None),
    }
}

/// Loads an assembled filter last of all, as the monitor does.
#[derive(Clone)]
struct Filtering {
    confinement: Option<Confinement>,
    inner: DefaultExecutor,
}

impl Executor for Filtering {
    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        if let Some(Confinement { program, capabilities }) = &self.confinement {
            isopod_sys::seccomp::load(program.flags, &program.instructions)
                .map_err(|error| ExecutorError::Other(error.to_string()))?;
            drop_privileges(capabilities, create_syscall().as_ref())
                .map_err(|error| ExecutorError::Other(error.to_string()))?;
        }
        self.inner.exec(spec)
    }

    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        self.inner.validate(spec)
    }
}

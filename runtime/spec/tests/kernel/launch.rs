//! One container by libcontainer, from a process without threads.

use std::path::Path;
use std::process::ExitCode;

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
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
    let mut container = ContainerBuilder::new(id.to_owned(), SyscallType::default())
        .with_root_path(state)?
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

//! `isopod-monitor --oci`: the commands of the OCI runtime command line that need libcontainer. Nothing of a
//! monitor runs here: the process does one command, and its caller sees its status.
//!
//! - [`create`]: `create` and `run`;
//! - [`create`]: the commands `create` and `run`;
//! - [`exec`]: the command `exec`;
//! - [`update`]: the command `update`;
//! - [`shim`]: hooks in libcontainer's name;
//! - [`ends`]: terminals, streams and pid files;
//! - [`propagation`]: what mounts ask of later mounts;
//! - [`sources`]: what is bound into a user namespace, and mounts with mapped ids;
//! - [`rlimits`]: which limit was refused;
//! - [`foreground`]: waiting for a process.

mod copy_up;
mod create;
mod ends;
mod exec;
mod foreground;
mod propagation;
mod rlimits;
mod shim;
mod sources;
mod spec;
mod update;

use std::ffi::OsStr;
use std::io::{self, Write};

use isopod_oci::Error;
use isopod_oci::log::Log;
use isopod_oci::request::{Job, Request};
use isopod_sys::process;
use rustix::fs::Mode;

pub use shim::run as run_hooks;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// One of the container's state.
    #[error(transparent)]
    State(#[from] Error),
    /// `config.json` or the process can't be run as they are.
    #[error("{0}")]
    Spec(String),
    /// The process was not started.
    #[error("unable to start container process: {0}")]
    Start(String),
    /// Its end would be that of processes which aren't the container's: runc 1.2 refuses that too.
    #[error("container's cgroup is not empty: {0} process(es) found")]
    Occupied(usize),
    /// Something that only a broken system refuses.
    #[error("cannot {0}: {1}")]
    System(&'static str, io::Error),
}

type Result<T> = std::result::Result<T, OciError>;

/// For `map_err`: what was attempted.
fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> OciError {
    move |error| OciError::System(what, error.into())
}

/// Does what the request in descriptor `number` says, and returns the process's status.
pub fn run(number: &OsStr) -> i32 {
    let request = number
        .to_str()
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
        .and_then(process::take_descriptor)
        .and_then(Request::read);
    let Request { log, root, id, steps, job } = match request {
        Ok(request) => request,
        Err(error) => {
            tell(&format!("isopod-monitor: cannot read the request: {error}\n"));
            return 1;
        }
    };
    #[cfg(feature = "steps")]
    crate::start::install_steps(&steps.unwrap_or_default());
    #[cfg(not(feature = "steps"))]
    drop(steps);
    let (what, failure) = match &job {
        Job::Create(create) if create.run => ("runc run failed: ", 1),
        Job::Create(_) => ("runc create failed: ", 1),
        Job::Exec(_) => ("exec failed: ", 255),
        Job::Update(_) => ("", 1),
    };
    let caller = Caller { log, root, id };
    let done = match job {
        Job::Create(job) => prepare(job.ends.inherited()).and_then(|()| create::run(&caller, job)),
        Job::Exec(job) => prepare(job.ends.inherited()).and_then(|()| exec::run(&caller, job)),
        Job::Update(resources) => prepare(0).and_then(|()| update::run(&caller, &resources)),
    };
    done.unwrap_or_else(|error| {
        tell(&caller.log.fatal(&format!("{what}{error}")));
        failure
    })
}

/// What all commands are told.
struct Caller {
    log: Log,
    root: std::path::PathBuf,
    id: String,
}

impl Caller {
    /// Something that went wrong and stops nothing.
    fn warn(&self, message: &str) {
        self.log("warning", message);
    }

    /// With `--debug`: what was done.
    fn debug(&self, message: &str) {
        if self.log.debug {
            self.log("debug", message);
        }
    }

    fn log(&self, level: &str, message: &str) {
        match self.log.append(level, message) {
            Ok(true) => {}
            _ => tell(&self.log.format.line(level, message)),
        }
    }
}

/// Gives up what is the caller's and is not to be the container's.
fn prepare(inherited: u32) -> Result<()> {
    process::close_descriptors_from(3 + inherited).map_err(system("close descriptors"))?;
    process::clear_environment().map_err(system("clear the environment"))?;
    process::reset_signals();
    process::ignore_broken_pipes();
    process::drop_groups().map_err(system("drop supplementary groups"))?;
    rustix::thread::set_name(c"isopod-oci").ok();
    rustix::process::umask(Mode::from_raw_mode(0o022));
    Ok(())
}

/// Standard error is the caller's.
fn tell(message: &str) {
    io::stderr().write_all(message.as_bytes()).ok();
}

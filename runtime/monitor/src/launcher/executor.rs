//! The last steps before the program: libcontainer calls these in the new process, inside the
//! container, when everything else is done.

use std::collections::HashMap;
use std::ffi::CString;
use std::io::{PipeWriter, Write};
use std::rc::Rc;

use isopod_monitor_protocol::message::ErrorKind;
use isopod_sys::process;
use libcontainer::capabilities::drop_privileges;
use libcontainer::seccomp::initialize_seccomp;
use libcontainer::syscall::syscall::create_syscall;
use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use nix::unistd::execve;
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, LinuxSeccomp, Spec};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::null;
use super::program::{self, ProgramError};

/// What libcontainer leaves out when it starts a further process in a container: the seccomp filter.
///
/// Loading one takes CAP_SYS_ADMIN, which the process has given up when it reaches us. So
/// libcontainer is told to leave it the capabilities of [`Confinement::provisional`], and the
/// process's own are set here, after the filter.
#[derive(Debug)]
pub struct Confinement {
    /// The container's filter.
    pub seccomp: LinuxSeccomp,
    /// The process's own capabilities.
    pub capabilities: LinuxCapabilities,
}

impl Confinement {
    /// The process's capabilities and those that are needed to load the filter and then to give
    /// the others up.
    pub fn provisional(capabilities: &LinuxCapabilities) -> LinuxCapabilities {
        let with = |set: &Option<Capabilities>| {
            let mut set = set.clone().unwrap_or_default();
            set.extend([Capability::SysAdmin, Capability::Setpcap]);
            Some(set)
        };
        let mut provisional = capabilities.clone();
        provisional
            .set_bounding(with(capabilities.bounding()))
            .set_permitted(with(capabilities.permitted()))
            .set_effective(with(capabilities.effective()));
        provisional
    }
}

/// Our executor: finds the program early, reports why it can't be executed, and executes it.
#[derive(Debug, Clone)]
pub struct Runner {
    /// Closed by a successful execution; else a [`ProgramError`] as JSON is written there.
    verdict: Rc<PipeWriter>,
    confinement: Option<Rc<Confinement>>,
}

impl Runner {
    /// An executor that reports to `verdict`.
    pub fn new(verdict: PipeWriter, confinement: Option<Confinement>) -> Self {
        Self { verdict: Rc::new(verdict), confinement: confinement.map(Rc::new) }
    }

    fn tell(&self, error: &ProgramError) {
        // The pipe is empty and takes a whole line at once; a launcher that is gone needs none.
        let words = serde_json::to_vec(error).unwrap_or_default();
        (&*self.verdict).write_all(&words).ok();
    }

    fn find(&self, spec: &Spec) -> Result<Program, ProgramError> {
        let failed = |reason: &str| ProgramError {
            name: String::new(),
            reason: reason.to_owned(),
            kind: ErrorKind::Failed,
        };
        let process = spec.process().as_ref().ok_or_else(|| failed("no process is given"))?;
        let args = process.args().clone().unwrap_or_default();
        let env = process.env().clone().unwrap_or_default();
        let name = args.first().ok_or_else(|| failed("no command is given"))?;
        // After a pivot a folder of the host's would show here, reached through a descriptor.
        let cwd =
            rustix::process::getcwd(Vec::new()).map_err(|e| ProgramError::from_errno(name, e))?;
        if !cwd.as_bytes().starts_with(b"/") {
            return Err(failed("the working directory is outside the container"));
        }
        let path = program::find(name, &env)?;
        let path = c_string(path.into_os_string().into_encoded_bytes(), name)?;
        let strings = |list: Vec<String>| {
            list.into_iter()
                .map(|text| c_string(text.into_bytes(), name))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Program { name: name.clone(), path, env: strings(env)?, args: strings(args.clone())? })
    }

    /// What is left to give up; the program is all that runs after it.
    fn confine(&self, name: &str) -> Result<(), ProgramError> {
        let failed = |reason: String| ProgramError {
            name: name.to_owned(),
            reason,
            kind: ErrorKind::Failed,
        };
        null::reopen()
            .map_err(|error| failed(format!("cannot use the container's /dev/null: {error}")))?;
        if let Some(confinement) = &self.confinement {
            let filter = initialize_seccomp(&confinement.seccomp)
                .map_err(|error| failed(format!("cannot load the seccomp filter: {error}")))?;
            if filter.is_some() {
                return Err(failed("seccomp listeners are not supported by exec".to_owned()));
            }
            drop_privileges(&confinement.capabilities, create_syscall().as_ref())
                .map_err(|error| failed(format!("cannot drop capabilities: {error}")))?;
        }
        // libcontainer leaves what our caller had where the specification names no set.
        let mut sets = capabilities(None).map_err(|e| ProgramError::from_errno(name, e))?;
        if !sets.inheritable.is_empty() {
            sets.inheritable = CapabilitySet::empty();
            set_capabilities(None, sets).map_err(|e| ProgramError::from_errno(name, e))?;
        }
        process::reset_signals();
        Ok(())
    }
}

struct Program {
    name: String,
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

fn c_string(bytes: Vec<u8>, name: &str) -> Result<CString, ProgramError> {
    CString::new(bytes).map_err(|_| ProgramError {
        name: name.to_owned(),
        reason: "an argument or variable contains a NUL byte".to_owned(),
        kind: ErrorKind::Failed,
    })
}

impl Executor for Runner {
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        self.find(spec).map(|_| ()).map_err(|error| {
            self.tell(&error);
            ExecutorValidationError::ArgValidationError(error.to_string())
        })
    }

    /// The environment goes to `execve` as the specification orders it; this process keeps none.
    fn setup_envs(&self, _: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let result = self.find(spec).and_then(|program| {
            self.confine(&program.name)?;
            let Err(errno) = execve(&program.path, &program.args, &program.env);
            Err(ProgramError::from_errno(&program.name, Errno::from_raw_os_error(errno as i32)))
        });
        let Err::<std::convert::Infallible, _>(error) = result;
        self.tell(&error);
        Err(ExecutorError::Other(error.to_string()))
    }
}

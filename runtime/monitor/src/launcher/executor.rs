//! The last steps before the program: libcontainer calls these in the new process, inside the
//! container, when everything else is done.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use isopod_monitor_protocol::message::ErrorKind;
use isopod_oci::hooks;
use isopod_oci::record::Record;
use isopod_oci::status::Status;
use isopod_sys::process;
use libcontainer::capabilities::reset_effective;
use libcontainer::syscall::syscall::create_syscall;
use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Gid, Uid, execve, setgroups, setresgid, setresuid};
use oci_spec::runtime::{Hook, Spec, User};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities, set_keep_capabilities};

use super::confinement::Confinement;
use super::program::{self, ProgramError};
use super::{home, null};

/// Our executor: finds the program early, reports why it can't be executed, and executes it.
#[derive(Debug, Clone)]
pub struct Runner {
    /// Closed by a successful execution; else a [`ProgramError`] as JSON is written there.
    verdict: Rc<PipeWriter>,
    confinement: Option<Rc<Confinement>>,
    wishes: Rc<Wishes>,
}

/// What the OCI command line wants otherwise than a monitor.
#[derive(Debug, Default)]
pub struct Wishes {
    /// The program's variables, where libcontainer is told others; `HOME` is added if it is missing.
    pub env: Option<Vec<String>>,
    /// Leave the inheritable capabilities that the specification names.
    pub inheritable: bool,
    /// Hooks to be run as the container's process, under its filter, before its program.
    pub start_hooks: Vec<Hook>,
    /// The container that these hooks hear of.
    pub record: Option<Record>,
    /// Told in words what the verdict is told, and closed by a successful execution too. It must not keep a
    /// writer waiting.
    pub announcement: Option<File>,
    /// A user namespace to be joined last, and who to be in it: libcontainer has no process join one.
    pub users: Option<(OwnedFd, User)>,
}

impl Runner {
    /// An executor that reports to `verdict`.
    pub fn new(verdict: PipeWriter, confinement: Option<Confinement>) -> Self {
        let confinement = confinement.map(Rc::new);
        Self { verdict: Rc::new(verdict), confinement, wishes: Rc::default() }
    }

    /// The same with wishes.
    pub fn wishing(mut self, wishes: Wishes) -> Self {
        self.wishes = Rc::new(wishes);
        self
    }

    fn tell(&self, error: &ProgramError) {
        // The pipe is empty and takes a whole line at once; a launcher that is gone needs none.
        let words = serde_json::to_vec(error).unwrap_or_default();
        (&*self.verdict).write_all(&words).ok();
        if let Some(mut announcement) = self.wishes.announcement.as_ref() {
            announcement.write_all(error.to_string().as_bytes()).ok();
        }
    }

    fn find(&self, spec: &Spec) -> Result<Program, ProgramError> {
        let failed = |reason: &str| ProgramError {
            name: String::new(),
            reason: reason.to_owned(),
            kind: ErrorKind::Failed,
        };
        let process = spec.process().as_ref().ok_or_else(|| failed("no process is given"))?;
        let args = process.args().clone().unwrap_or_default();
        let env = match &self.wishes.env {
            Some(env) => home::ensure(env.clone(), process.user().uid()),
            None => process.env().clone().unwrap_or_default(),
        };
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
        if let Some((namespace, user)) = &self.wishes.users {
            join_users(namespace, user)
                .map_err(|error| failed(format!("cannot join the user namespace: {error}")))?;
        }
        null::reopen()
            .map_err(|error| failed(format!("cannot use the container's /dev/null: {error}")))?;
        // libcontainer leaves what our caller had where the specification names no set.
        let mut sets = capabilities(None).map_err(|e| ProgramError::from_errno(name, e))?;
        if !sets.inheritable.is_empty() && !self.wishes.inheritable {
            sets.inheritable = CapabilitySet::empty();
            set_capabilities(None, sets).map_err(|e| ProgramError::from_errno(name, e))?;
        }
        process::reset_signals();
        // Last: what follows, the filter must allow.
        self.confinement.as_ref().map_or(Ok(()), |confinement| confinement.apply()).map_err(failed)
    }
}

impl Runner {
    fn run_hooks(&self, program: &Program) -> Result<(), ProgramError> {
        let Wishes { start_hooks, record, .. } = &*self.wishes;
        let Some(record) = record.as_ref().filter(|_| !start_hooks.is_empty()) else {
            return Ok(());
        };
        let env = program.env.iter().map(|text| text.to_string_lossy().into_owned());
        let pid = i32::try_from(std::process::id()).ok();
        let state = record.for_hooks(Status::Created, pid);
        hooks::run("startContainer", start_hooks, &state, &env.collect::<Vec<_>>()).map_err(|e| {
            ProgramError {
                name: program.name.clone(),
                reason: e.to_string(),
                kind: ErrorKind::Failed,
            }
        })
    }
}

/// Becomes `user` in a user namespace, with all that may be done there.
fn join_users(namespace: &OwnedFd, user: &User) -> Result<(), String> {
    setns(namespace, CloneFlags::CLONE_NEWUSER).map_err(|error| error.to_string())?;
    let gids = user.additional_gids().iter().flatten();
    let gids: Vec<Gid> = gids.map(|gid| Gid::from_raw(*gid)).collect();
    setgroups(&gids).map_err(|error| error.to_string())?;
    let keep = |keep| set_keep_capabilities(keep).map_err(|error| error.to_string());
    let (uid, gid) = (Uid::from_raw(user.uid()), Gid::from_raw(user.gid()));
    keep(true)?;
    setresgid(gid, gid, gid).map_err(|error| error.to_string())?;
    setresuid(uid, uid, uid).map_err(|error| error.to_string())?;
    keep(false)?;
    reset_effective(create_syscall().as_ref()).map_err(|error| error.to_string())
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
            self.run_hooks(&program)?;
            let Err(errno) = execve(&program.path, &program.args, &program.env);
            Err(ProgramError::from_errno(&program.name, Errno::from_raw_os_error(errno as i32)))
        });
        let Err::<std::convert::Infallible, _>(error) = result;
        self.tell(&error);
        Err(ExecutorError::Other(error.to_string()))
    }
}

//! What every command is given: where the instance lives, who asks, where output goes.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use isopod_runtime::container::Containers;
use isopod_runtime::{CgroupManager, Config, MonitorProgram, Runtime};

use crate::commands::Status;
use crate::commands::crictl::CrictlArgs;
use crate::config;
use crate::env;
use crate::error::Error;
use crate::monitor_binary;
use crate::output::printer::Printer;
use crate::personality::Personality;

const DEFAULT_ROOT: &str = "/var/lib/isopod";
const DEFAULT_STATE: &str = "/run/isopod";
const DEFAULT_NAMESPACE: &str = "default";
const DEFAULT_CGROUP_PARENT: &str = "/isopod";

/// The flags before the command, as both personalities have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Globals {
    /// `--root`.
    pub root: Option<PathBuf>,
    /// `--state`.
    pub state: Option<PathBuf>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `--hosts-dir`, each.
    pub hosts_dirs: Vec<PathBuf>,
    /// `--config-file`.
    pub config_file: Option<PathBuf>,
    /// `--cgroup-manager`.
    pub cgroup_manager: Option<String>,
    /// `--debug`.
    pub debug: bool,
    /// crictl's own.
    pub crictl: CrictlArgs,
}

/// See the module.
pub struct Context {
    /// How the user called it: `isopod`, `isopod ctr`, or a link's name.
    pub program: String,
    /// The way out.
    pub printer: Printer,
    /// The namespace of containers.
    pub namespace: String,
    /// Folders with registry configuration, where others than the usual ones were named.
    pub hosts_dirs: Option<Vec<PathBuf>>,
    /// How many layers are downloaded at once, where the file says so.
    pub max_concurrent_downloads: Option<usize>,
    /// How long a download may stand still, where the configuration file says.
    pub download_idle_timeout: Option<Duration>,
    root: PathBuf,
    state: PathBuf,
    /// The one that was named.
    config_file: Option<PathBuf>,
    cgroup_parent: String,
    cgroup_manager: CgroupManager,
    /// crictl's flags before the command.
    pub crictl: CrictlArgs,
    runtime: OnceCell<Runtime>,
}

impl Context {
    /// Settles flag, environment, file and default, in this order.
    ///
    /// # Errors
    /// The configuration file.
    pub fn new(personality: Personality, program: &str, globals: Globals) -> Result<Self, Error> {
        let named = globals.config_file.or_else(|| env::path(env::CONFIG));
        let path = named.as_deref().unwrap_or(Path::new(config::PATH));
        let file = match personality.is_client() {
            true => config::File::default(),
            false => config::read(path, named.is_some())?,
        };
        let hosts_dirs = [
            Some(globals.hosts_dirs).filter(|dirs| !dirs.is_empty()),
            env::path(env::HOSTS_DIR).map(|dirs| std::env::split_paths(&dirs).collect()),
            file.hosts_dirs,
        ];
        Ok(Self {
            program: program.to_owned(),
            printer: Printer::new(personality.name()),
            namespace: globals
                .namespace
                .or_else(|| env::text(env::NAMESPACE))
                .or(file.namespace)
                .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
            hosts_dirs: hosts_dirs.into_iter().flatten().next(),
            max_concurrent_downloads: file.max_concurrent_downloads,
            download_idle_timeout: file
                .download_idle_timeout
                .map(|seconds| Duration::from_secs(seconds.get())),
            root: settled(globals.root, env::ROOT, file.root, DEFAULT_ROOT),
            state: settled(globals.state, env::STATE, file.state, DEFAULT_STATE),
            cgroup_parent: file.cgroup_parent.unwrap_or_else(|| DEFAULT_CGROUP_PARENT.to_owned()),
            cgroup_manager: cgroup_manager(globals.cgroup_manager, file.cgroup_manager)?,
            config_file: named,
            crictl: globals.crictl,
            runtime: OnceCell::new(),
        })
    }

    /// The library, opened at the first use.
    ///
    /// # Errors
    /// No root; folders or database that can't be used.
    pub fn runtime(&self) -> Result<&Runtime, Error> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = Runtime::open(self.runtime_config()?)?;
        Ok(self.runtime.get_or_init(|| runtime))
    }

    /// Says on standard error what went wrong with one of several objects.
    pub fn report(&self, error: &Error) {
        report(self.printer, &self.program, error);
    }

    /// Says what is wrong with objects that are left out of a list, and the exit status of that.
    #[must_use]
    pub fn report_all(&self, errors: &[Error]) -> Status {
        errors.iter().for_each(|error| self.report(error));
        Status::from(!errors.is_empty())
    }

    /// Does the same to each of several objects; a failure is reported and the others go on.
    ///
    /// # Errors
    /// Only what concerns all of them: output that can't be written.
    pub fn each(
        &self,
        names: &[String],
        mut act: impl FnMut(&str) -> Result<(), Error>,
    ) -> Result<Status, Error> {
        let mut status = 0;
        for name in names {
            match act(name) {
                Ok(()) => {}
                Err(error @ Error::Output(_)) => return Err(error),
                Err(error) => {
                    self.report(&error);
                    status = error.status(1, 1);
                }
            }
        }
        Ok(status)
    }

    /// The containers of the chosen namespace.
    ///
    /// # Errors
    /// As [`Context::runtime`].
    pub fn containers(&self) -> Result<Containers<'_>, Error> {
        Ok(self.runtime()?.containers(&self.namespace))
    }

    /// The data folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The state folder.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The cgroup below which everything runs.
    #[must_use]
    pub fn cgroup_parent(&self) -> &str {
        &self.cgroup_parent
    }

    /// Who makes the cgroups of new containers.
    #[must_use]
    pub fn cgroup_manager(&self) -> CgroupManager {
        self.cgroup_manager
    }

    /// How the library is opened.
    ///
    /// # Errors
    /// A relative folder without a working directory.
    pub fn runtime_config(&self) -> Result<Config, Error> {
        Ok(Config {
            root: absolute(&self.root)?,
            state: absolute(&self.state)?,
            cgroup_parent: self.cgroup_parent.clone(),
            cgroup_manager: self.cgroup_manager,
            monitor: match env::path(env::MONITOR) {
                Some(path) => MonitorProgram::File(path),
                None => monitor_binary::MONITOR,
            },
            program: self.program()?,
        })
    }

    /// What a monitor starts to have something cleaned up: this very file, for this instance.
    ///
    /// # Errors
    /// This file has no name any more; a relative folder without a working directory.
    pub fn program(&self) -> Result<Vec<String>, Error> {
        let file = std::env::current_exe().map_err(|source| Error::File {
            action: "find",
            path: "/proc/self/exe".to_owned(),
            source,
        })?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut program = vec![
            text(&file),
            "--root".to_owned(),
            text(&absolute(&self.root)?),
            "--state".to_owned(),
            text(&absolute(&self.state)?),
        ];
        // Or it would look for containers where this instance has none.
        if let Some(path) = &self.config_file {
            program.extend(["--config-file".to_owned(), text(&absolute(path)?)]);
        }
        Ok(program)
    }
}

/// Says on standard error what went wrong, and what would help.
pub fn report(printer: Printer, program: &str, error: &Error) {
    if error.is_quiet() {
        return;
    }
    printer.warn(error.line());
    if let Some(hint) = error.hint(program) {
        printer.note(format_args!("hint: {hint}"));
    }
}

/// The flag goes before the file, whose word was checked when it was read.
fn cgroup_manager(
    flag: Option<String>,
    file: Option<CgroupManager>,
) -> Result<CgroupManager, Error> {
    let Some(name) = flag else { return Ok(file.unwrap_or_default()) };
    CgroupManager::named(&name).ok_or_else(|| {
        Error::Argument(format!("--cgroup-manager {name}: it is cgroupfs or systemd"))
    })
}

fn settled(flag: Option<PathBuf>, variable: &str, file: Option<PathBuf>, default: &str) -> PathBuf {
    flag.or_else(|| env::path(variable)).or(file).unwrap_or_else(|| PathBuf::from(default))
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|source| Error::File {
        action: "use",
        path: path.display().to_string(),
        source,
    })
}

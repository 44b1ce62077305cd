//! Where the runtime is and how long it may take: flag, environment, file, default.

mod file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use isopod_cri_client::Endpoint;

use crate::context::Context;
use crate::env;
use crate::error::Error;

pub use file::{OPTIONS, SettingsFile, edited};

/// Where the file is looked for.
const PATH: &str = "/etc/crictl.yaml";
/// What it is called beside the program.
const NAME: &str = "crictl.yaml";
/// How long connecting and asking may take, where nothing says.
const READ: Duration = Duration::from_secs(2);
/// How long changing something may take, where nothing says: what kubelet gives it.
const CHANGE: Duration = Duration::from_secs(120);
/// The original's usual places; this instance's own comes first.
const ELSEWHERE: [&str; 3] =
    ["/run/containerd/containerd.sock", "/run/crio/crio.sock", "/var/run/cri-dockerd.sock"];

/// What was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The runtime's, or else the usual ones.
    pub runtime: Option<Endpoint>,
    /// That of images, where it is another one.
    pub images: Option<Endpoint>,
    /// How long connecting and asking may take.
    pub read: Duration,
    /// How long changing something may take.
    pub change: Duration,
    /// How often connecting is tried again; none: until it works.
    pub retries: Option<u64>,
    /// Whether `create` pulls.
    pub pull_on_create: bool,
    /// Whether `run` doesn't.
    pub no_pull_on_run: bool,
}

impl Settings {
    /// Settles them.
    ///
    /// # Errors
    /// A file that was named and can't be used, or the usual one that is there and can't; endpoints that are none.
    pub fn of(context: &Context) -> Result<Self, Error> {
        let args = &context.crictl;
        let file = match path(context) {
            (path, true) => SettingsFile::read(&path)?,
            (path, false) => SettingsFile::read_if_there(&path)?,
        };
        if file.debug {
            crate::debug::start();
        }
        let endpoint = |flag: &Option<String>, what, variable, in_file: &str| {
            if flag.as_deref() == Some("") {
                return Err(Error::Argument(format!("{what} is empty")));
            }
            let in_file = Some(in_file.to_owned()).filter(|text| !text.is_empty());
            let text = flag.clone().or_else(|| env::text(variable)).or(in_file);
            text.map(|text| Endpoint::parse(&text).map_err(Error::argument)).transpose()
        };
        let runtime = endpoint(
            &args.runtime_endpoint,
            "--runtime-endpoint",
            env::CONTAINER_RUNTIME_ENDPOINT,
            &file.runtime_endpoint,
        )?;
        let images = endpoint(
            &args.image_endpoint,
            "--image-endpoint",
            env::IMAGE_SERVICE_ENDPOINT,
            &file.image_endpoint,
        )?;
        let of_file = u64::try_from(file.timeout).ok().filter(|seconds| *seconds > 0);
        let timeout = args
            .timeout
            .filter(|timeout| !timeout.is_zero())
            .or_else(|| of_file.filter(|_| args.timeout.is_none()).map(Duration::from_secs));
        Ok(Self {
            runtime,
            images,
            read: timeout.unwrap_or(READ),
            change: timeout.unwrap_or(CHANGE),
            retries: u64::try_from(args.max_retries.unwrap_or(file.max_retries)).ok(),
            pull_on_create: file.pull_image_on_create,
            no_pull_on_run: file.disable_pull_on_run,
        })
    }
}

/// The configuration file's path, and whether somebody named it.
pub fn path(context: &Context) -> (PathBuf, bool) {
    if let Some(path) = context.crictl.config.clone().or_else(|| env::path(env::CRI_CONFIG_FILE)) {
        return (path, true);
    }
    let usual = PathBuf::from(PATH);
    if usual.exists() {
        return (usual, false);
    }
    let beside = std::env::current_exe().ok();
    let beside = beside.as_deref().and_then(Path::parent).map(|folder| folder.join(NAME));
    match beside.filter(|path| path.exists()) {
        Some(path) => (path, false),
        None => (usual, false),
    }
}

/// Where a runtime usually listens, this instance first.
pub fn usual(context: &Context) -> Vec<Endpoint> {
    let own = Endpoint::Unix(context.state().join("cri.sock"));
    let others = ELSEWHERE.iter().map(|path| Endpoint::Unix(PathBuf::from(path)));
    std::iter::once(own).chain(others).collect()
}

//! Hooks in libcontainer's name. It would show hooks the folder that it reads `config.json` from, which is not
//! the container's bundle, and would say of a failure only its status. So it is told of a single hook each
//! for the runtime's and the container's namespaces: this program, which runs the real ones.
//!
//! `isopod-monitor --oci-hook STAGE FOLDER REPORTS`: the container's folder, and a pipe for what went wrong.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use isopod_oci::hooks;
use isopod_oci::status::Status;
use isopod_oci::store::{Container, Store};
use isopod_sys::process;
use oci_spec::runtime::Hook;
use serde::Deserialize;

/// What the program is called in its own hooks' arguments.
pub const NAME: &str = "isopod-monitor";
/// The option that asks for this.
pub const OPTION: &str = "--oci-hook";
/// `prestart` and `createRuntime`, in the runtime's namespaces.
pub const RUNTIME: &str = "createRuntime";
/// `createContainer`, in the container's, before its root is the only one.
pub const CONTAINER: &str = "createContainer";

/// What libcontainer says on standard input; only it knows the process.
#[derive(Debug, Deserialize)]
struct Input {
    pid: Option<i32>,
}

/// Runs the hooks of a stage and returns the process's status.
pub fn run(arguments: &[OsString]) -> i32 {
    let [stage, folder, reports] = arguments else { return 1 };
    let Some(reports) = reports.to_str().and_then(|number| number.parse().ok()) else { return 1 };
    let Ok(reports) = process::take_descriptor(reports) else { return 1 };
    let mut reports = std::fs::File::from(reports);
    // What else was inherited is the container's.
    if process::close_descriptors_except(&[std::os::fd::AsFd::as_fd(&reports)]).is_err() {
        return 1;
    }
    let stage = if stage == RUNTIME { RUNTIME } else { CONTAINER };
    match all(stage, PathBuf::from(folder)) {
        Ok(()) => 0,
        Err(message) => {
            reports.write_all(message.as_bytes()).ok();
            1
        }
    }
}

fn all(stage: &'static str, folder: PathBuf) -> Result<(), String> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input).map_err(|error| error.to_string())?;
    let input: Input = serde_json::from_str(&input).map_err(|error| error.to_string())?;
    let container = load(&folder)?;
    let hooks = container.folder.spec().map_err(|error| error.to_string())?.hooks().clone();
    let Some(hooks) = hooks else { return Ok(()) };
    let state = container.record.for_hooks(Status::Creating, input.pid);
    let run = |stage, list: &Option<Vec<Hook>>| {
        let list = list.as_deref().unwrap_or_default();
        hooks::run(stage, list, &state, &[]).map_err(|error| error.to_string())
    };
    if stage == CONTAINER {
        return run(CONTAINER, hooks.create_container());
    }
    #[allow(deprecated, reason = "engines still use prestart")]
    run("prestart", hooks.prestart())?;
    run(RUNTIME, hooks.create_runtime())
}

fn load(folder: &std::path::Path) -> Result<Container, String> {
    let invalid = || format!("{} is no container's folder", folder.display());
    let id = folder.file_name().and_then(|name| name.to_str()).ok_or_else(invalid)?;
    let root = folder.parent().ok_or_else(invalid)?;
    Store::new(root.to_owned()).load(id).map_err(|error| error.to_string())
}

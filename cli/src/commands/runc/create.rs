//! `runc create`, and what it shares with `runc run`.

use std::io;
use std::path::{Path, PathBuf};

use isopod_monitor_protocol::filter::{Filter, Instruction};
use isopod_oci::request::{self, Ends, Job};
use isopod_spec::seccomp::{Machine, bpf};
use oci_spec::runtime::LinuxSeccomp;
use serde::Deserialize;

use super::ends::EndsArgs;
use super::execute::execute;
use super::{Failure, Globals, Verb, one};
use crate::commands::Status;
use crate::env;

/// Create a container from a bundle, and leave its program to `start`
#[derive(Debug, clap::Args)]
pub struct Create {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    ends: EndsArgs,
    /// The container's new id
    #[arg(trailing_var_arg = true)]
    arguments: Vec<String>,
}

/// What is to be run, and how.
#[derive(Debug, clap::Args)]
pub struct BundleArgs {
    /// Folder with config.json [default: the current one]
    #[arg(short, long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Move the root file system instead of pivoting into it (for one on a ramdisk)
    #[arg(long)]
    no_pivot: bool,
    /// Keep the caller's session keyring
    #[arg(long)]
    no_new_keyring: bool,
}

impl Verb for Create {
    const USAGE: &'static str = "[options] <container-id>";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        let id = one("create", self.arguments)?;
        let ends = self.ends.check(true)?;
        let inherited = ends.inherited();
        let job = self
            .bundle
            .job(globals, ends)
            .map_err(|failure| failure.after("runc create failed: "))?;
        Err(execute(globals, id, Job::Create(job), inherited))
    }
}

/// The part of `config.json` that is looked at here.
#[derive(Debug, Deserialize)]
struct Config {
    linux: Option<Linux>,
}

#[derive(Debug, Deserialize)]
struct Linux {
    seccomp: Option<LinuxSeccomp>,
}

impl BundleArgs {
    /// The request; without `run`.
    pub fn job(self, globals: &Globals, ends: Ends) -> Result<request::Create, Failure> {
        let bundle = self.bundle.unwrap_or_else(|| PathBuf::from("."));
        let bundle = bundle
            .canonicalize()
            .map_err(|error| Failure::new(format!("bundle {}: {error}", bundle.display())))?;
        let config = read(&bundle.join("config.json"))?;
        let parsed: Config = serde_json::from_str(&config)
            .map_err(|error| Failure::new(format!("malformed config.json: {error}")))?;
        let seccomp = parsed.linux.and_then(|linux| linux.seccomp);
        Ok(request::Create {
            bundle,
            config,
            filter: seccomp.as_ref().map(assemble).transpose()?,
            run: false,
            keep: false,
            no_subreaper: false,
            no_pivot: self.no_pivot,
            no_new_keyring: self.no_new_keyring,
            systemd_cgroup: globals.systemd_cgroup,
            notify_socket: env::path(env::NOTIFY_SOCKET),
            ends,
        })
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::new(format!("JSON specification file {} not found", path.display()))
        }
        _ => Failure::new(format!("cannot read {}: {error}", path.display())),
    })
}

/// The filter as the monitor's program loads it.
fn assemble(seccomp: &LinuxSeccomp) -> Result<Vec<u8>, Failure> {
    let program = bpf::assemble(seccomp, Machine::BUILT_FOR)?;
    let instructions = program.instructions.iter().map(|one| Instruction {
        code: one.code,
        jt: one.jt,
        jf: one.jf,
        k: one.k,
    });
    Ok(Filter { flags: program.flags, instructions: instructions.collect() }.to_bytes())
}

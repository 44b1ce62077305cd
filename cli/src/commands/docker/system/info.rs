//! `info`: the machine and the instance.

use std::path::Path;

use chrono::Utc;
use isopod_runtime::container::Phase;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::json;
use crate::output::template::Format;
use crate::output::views::info::{self as view, Counts, Info};
use crate::output::views::stats;

/// Show what this machine and instance are
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print by a Go template, or "json"
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let info = gather(context)?;
        let text = match self.format.as_deref() {
            None | Some("") => view::text(&info),
            Some("json") => json::line(&view::json(&info))? + "\n",
            Some(format) => Format::parse(format)?.render(&view::json(&info))? + "\n",
        };
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}

fn gather(context: &Context) -> Result<Info, Error> {
    let runtime = context.runtime()?;
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    Ok(Info {
        containers: counts(context)?,
        images: runtime.images().list()?.len(),
        root: context.root().display().to_string(),
        state: context.state().display().to_string(),
        namespace: context.namespace.clone(),
        cgroup_version: cgroup_version(),
        cgroup_parent: context.cgroup_parent().to_owned(),
        cgroup_manager: context.cgroup_manager().name(),
        security: security(),
        kernel: text(system.release()),
        system: os_release("PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
        architecture: text(system.machine()),
        system_version: os_release("VERSION_ID").unwrap_or_default(),
        controllers: controllers(),
        forwards_ipv4: std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
            .is_ok_and(|text| text.trim() == "1"),
        time: Utc::now(),
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        memory: stats::all_memory(),
        name: text(system.nodename()),
        version: crate::VERSION.to_owned(),
    })
}

fn counts(context: &Context) -> Result<Counts, Error> {
    let mut counts = Counts::default();
    let listing = context.containers()?.list()?;
    // What can't be read does not run; `ps -a` says what is wrong with it.
    counts.stopped += listing.damaged.len();
    for container in listing.containers {
        match container.status().map(|status| status.phase) {
            Ok(Phase::Running | Phase::Starting | Phase::Restarting) => counts.running += 1,
            Ok(Phase::Paused) => counts.paused += 1,
            Ok(Phase::Created | Phase::Exited | Phase::Failed) | Err(_) => counts.stopped += 1,
        }
    }
    Ok(counts)
}

/// By what is mounted where systemd and its like mount it.
fn cgroup_version() -> String {
    let exists = |path: &str| Path::new(path).exists();
    match () {
        () if exists("/sys/fs/cgroup/cgroup.controllers") => "2".to_owned(),
        () if exists("/sys/fs/cgroup/unified/cgroup.procs") => "1 (hybrid)".to_owned(),
        () => "1".to_owned(),
    }
}

fn security() -> Vec<String> {
    let exists = |path: &str| Path::new(path).exists();
    let enabled =
        |path: &str| std::fs::read_to_string(path).is_ok_and(|text| text.starts_with('Y'));
    let mut options = Vec::new();
    if exists("/proc/sys/kernel/seccomp/actions_avail") {
        options.push("seccomp".to_owned());
    }
    if enabled("/sys/module/apparmor/parameters/enabled") {
        options.push("apparmor".to_owned());
    }
    if exists("/proc/self/ns/cgroup") {
        options.push("cgroupns".to_owned());
    }
    options
}

/// A value of os-release(5).
fn os_release(name: &str) -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release")
        .or_else(|_| std::fs::read_to_string("/usr/lib/os-release"))
        .ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let (_, value) = lines.find(|(key, _)| *key == name)?;
    Some(value.trim_matches('"').to_owned())
}

/// cgroups(7): each line is a name, a hierarchy, a number of groups, and whether it is enabled.
fn controllers() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let enabled = words.filter(|words| words.last() == Some(&"1") && !words[0].starts_with('#'));
    enabled.map(|words| words[0].to_owned()).collect()
}

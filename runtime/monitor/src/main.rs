//! The monitor: one small process beside each container.
//!
//! - [`start`]: from a program that a client executed to a process of its own;
//! - [`guard`]: what makes the container die with its monitor;
//! - [`keeper`]: what has the rest done when the monitor is gone;
//! - [`launcher`]: the forked children that call libcontainer;
//! - [`monitor`]: the event loop: clients, sessions, the container's end;
//! - [`stdio`], [`log`]: where output goes;
//! - [`network`]: its network namespace, name server and published ports;
//! - [`cleanup`]: after a monitor that was killed;
//! - [`init`]: the same program as a container's first process;
//! - [`oci`]: and as what `isopod runc` has libcontainer called by.
//!
//! `docs/monitor.md` tells a monitor's life.

mod cleanup;
mod guard;
mod init;
mod keeper;
mod launcher;
mod log;
mod monitor;
mod network;
mod oci;
mod poll;
mod spec;
mod start;
mod stdio;

use std::ffi::OsString;
use std::path::Path;

const USAGE: &str = "usage: isopod-monitor [--cleanup] DATA-FOLDER";

fn main() {
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    let arguments: Vec<OsString> = arguments.collect();
    if init::is_meant(program.as_deref()) {
        let status = init::run(&arguments).unwrap_or_else(|message| {
            init::tell(&message);
            1
        });
        isopod_sys::process::exit_now(status);
    }
    let status = match arguments.as_slice() {
        [option, request] if option == "--oci" => oci::run(request),
        [option, arguments @ ..] if option == "--oci-hook" => oci::run_hooks(arguments),
        [option, folder] if option == "--cleanup" => report(cleanup::clean_up(Path::new(folder))),
        [folder] if !folder.as_encoded_bytes().starts_with(b"-") => {
            report(start::start(Path::new(folder)))
        }
        _ => report(Err(USAGE)),
    };
    isopod_sys::process::exit_now(status);
}

/// The one place that prints: standard error is a log or nothing.
#[allow(clippy::print_stderr)]
fn report<E: std::fmt::Display>(result: Result<(), E>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("isopod-monitor: {error}");
            1
        }
    }
}

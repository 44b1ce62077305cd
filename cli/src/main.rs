//! The one binary and its command lines.
//!
//! - [`app`]: from arguments to an exit status; [`personality`] says which command line it is;
//! - [`commands`]: the tables, one file a command;
//! - [`refused`]: what the originals have and this release does not, by name;
//! - [`context`], [`config`], [`env`], [`registry`]: what commands are given;
//! - [`output`], [`progress`], [`terminal`]: what people see and type;
//! - [`error`]: the one conversion of failures to lines, hints and exit statuses.

mod app;
mod commands;
mod config;
mod context;
mod debug;
mod env;
mod error;
mod monitor_binary;
mod output;
mod personality;
mod progress;
mod refused;
mod registry;
mod terminal;

/// The version of the binary.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> std::process::ExitCode {
    app::run(std::env::args_os()).into()
}

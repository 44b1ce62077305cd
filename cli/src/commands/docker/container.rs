//! `container …` and its shortcuts.

mod attach;
pub mod command_line;
mod create;
mod exec;
mod filter;
mod image_source;
pub mod inspect;
mod kill;
mod lifecycle;
mod list;
mod logging;
mod logs;
mod mounts;
pub mod networking;
mod options;
mod pause;
pub mod port;
mod ports;
mod restart;
mod rm;
mod run;
mod security;
mod session;
mod settings;
mod start;
pub mod state;
mod stop;
mod unpause;
mod wait;

use crate::commands::Entry;
use crate::error::TOOL_FAILED;

/// `attach`.
pub const ATTACH: Entry = Entry::verb::<attach::Args>("attach");
/// `create`.
pub const CREATE: Entry = Entry::verb::<create::Args>("create");
/// `exec`.
pub const EXEC: Entry = Entry::verb::<exec::Args>("exec");
/// `container inspect`.
const INSPECT: Entry = Entry::verb::<inspect::Args>("inspect");
/// `kill`.
pub const KILL: Entry = Entry::verb::<kill::Args>("kill");
/// `logs`.
pub const LOGS: Entry = Entry::verb::<logs::Args>("logs");
/// `container ls`, `ps`.
pub const LIST: Entry = Entry::verb::<list::Args>("ls").aliases(&["list", "ps"]);
/// `pause`.
pub const PAUSE: Entry = Entry::verb::<pause::Args>("pause");
/// `port`.
pub const PORT: Entry = Entry::verb::<port::Args>("port");
/// `restart`.
pub const RESTART: Entry = Entry::verb::<restart::Args>("restart");
/// `rm`.
pub const REMOVE: Entry = Entry::verb::<rm::Args>("rm").aliases(&["remove"]);
/// `run`.
pub const RUN: Entry = Entry::verb::<run::Args>("run").failing_with(TOOL_FAILED);
/// `start`.
pub const START: Entry = Entry::verb::<start::Args>("start");
/// `stop`.
pub const STOP: Entry = Entry::verb::<stop::Args>("stop");
/// `unpause`.
pub const UNPAUSE: Entry = Entry::verb::<unpause::Args>("unpause");
/// `wait`.
pub const WAIT: Entry = Entry::verb::<wait::Args>("wait");

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    ATTACH, CREATE, EXEC, INSPECT, KILL, LOGS, LIST, PAUSE, PORT, RESTART, REMOVE, RUN, START,
    STOP, UNPAUSE, WAIT,
];

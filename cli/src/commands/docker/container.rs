//! `container …` and its shortcuts.

mod attach;
pub mod command_line;
mod commit;
mod cp;
mod create;
mod diff;
mod exec;
mod export;
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
pub mod prune;
mod rename;
mod restart;
mod restart_policy;
mod rm;
mod run;
mod security;
mod session;
mod settings;
mod start;
pub mod state;
mod stats;
mod stop;
mod top;
mod unpause;
mod update;
mod wait;

use crate::commands::Entry;
use crate::error::TOOL_FAILED;

/// `attach`.
pub const ATTACH: Entry = Entry::verb::<attach::Args>("attach");
/// `commit`.
pub const COMMIT: Entry = Entry::verb::<commit::Args>("commit");
/// `cp`.
pub const COPY: Entry = Entry::verb::<cp::Args>("cp");
/// `create`.
pub const CREATE: Entry = Entry::verb::<create::Args>("create");
/// `diff`.
pub const DIFF: Entry = Entry::verb::<diff::Args>("diff");
/// `exec`.
pub const EXEC: Entry = Entry::verb::<exec::Args>("exec");
/// `export`.
pub const EXPORT: Entry = Entry::verb::<export::Args>("export");
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
/// `container prune`.
const PRUNE: Entry = Entry::verb::<prune::Args>("prune");
/// `rename`.
pub const RENAME: Entry = Entry::verb::<rename::Args>("rename");
/// `restart`.
pub const RESTART: Entry = Entry::verb::<restart::Args>("restart");
/// `rm`.
pub const REMOVE: Entry = Entry::verb::<rm::Args>("rm").aliases(&["remove"]);
/// `run`.
pub const RUN: Entry = Entry::verb::<run::Args>("run").failing_with(TOOL_FAILED);
/// `start`.
pub const START: Entry = Entry::verb::<start::Args>("start");
/// `stats`.
pub const STATS: Entry = Entry::verb::<stats::Args>("stats");
/// `stop`.
pub const STOP: Entry = Entry::verb::<stop::Args>("stop");
/// `top`.
pub const TOP: Entry = Entry::verb::<top::Args>("top");
/// `unpause`.
pub const UNPAUSE: Entry = Entry::verb::<unpause::Args>("unpause");
/// `update`.
pub const UPDATE: Entry = Entry::verb::<update::Args>("update");
/// `wait`.
pub const WAIT: Entry = Entry::verb::<wait::Args>("wait");

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    ATTACH, COMMIT, COPY, CREATE, DIFF, EXEC, EXPORT, INSPECT, KILL, LOGS, LIST, PAUSE, PORT,
    PRUNE, RENAME, RESTART, REMOVE, RUN, START, STATS, STOP, TOP, UNPAUSE, UPDATE, WAIT,
];

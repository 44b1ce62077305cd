//! `system …`, and what stands beside the nouns.

mod completion;
mod df;
mod disable;
mod doctor;
mod enable;
mod events;
mod follow;
mod fsck;
mod gc;
mod info;
mod inspect;
mod outcomes;
mod prune;
mod start_all;
mod stop_all;
mod unit;
mod version;

use crate::commands::Entry;
use crate::error::TOOL_FAILED;

/// `completion`.
pub const COMPLETION: Entry = Entry::verb::<completion::Args>("completion").without_root();
/// `system df`.
const DF: Entry = Entry::verb::<df::Args>("df");
/// `doctor`.
pub const DOCTOR: Entry = Entry::verb::<doctor::Args>("doctor").without_root();
/// `events`.
pub const EVENTS: Entry = Entry::verb::<events::Args>("events");
/// `info`.
pub const INFO: Entry = Entry::verb::<info::Args>("info");
/// `inspect` of any object.
pub const INSPECT: Entry = Entry::verb::<inspect::Args>("inspect");
/// `system prune`.
const PRUNE: Entry = Entry::verb::<prune::Args>("prune");
/// `version`.
pub const VERSION: Entry = Entry::verb::<version::Args>("version").without_root();

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    DF,
    Entry::verb::<disable::Args>("disable"),
    Entry::verb::<enable::Args>("enable"),
    EVENTS,
    Entry::verb::<fsck::Args>("fsck").failing_with(TOOL_FAILED),
    Entry::verb::<gc::Args>("gc"),
    INFO,
    PRUNE,
    Entry::verb::<start_all::Args>("start-all"),
    Entry::verb::<stop_all::Args>("stop-all"),
];

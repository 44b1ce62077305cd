//! The docker-like command line: nouns, and their verbs as shortcuts beside them.

pub mod container;
pub mod image;
mod inspect;
pub mod network;
mod prune;
mod system;
mod volume;

use super::Entry;

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    container::ATTACH,
    system::COMPLETION,
    Entry::noun("container", "Manage containers", container::TABLE),
    container::CREATE,
    system::EVENTS,
    container::EXEC,
    Entry::noun("image", "Manage images", image::TABLE),
    image::LIST.named("images"),
    system::INFO,
    system::INSPECT,
    Entry::noun("internal", "What monitors start", super::internal::TABLE).hidden(),
    container::KILL,
    image::LOAD,
    container::LOGS,
    Entry::noun("network", "Manage networks", network::TABLE),
    container::PAUSE,
    container::PORT,
    container::LIST.named("ps"),
    image::PULL,
    container::RESTART,
    container::REMOVE.named("rm"),
    image::REMOVE.named("rmi"),
    container::RUN,
    image::SAVE,
    container::START,
    container::STOP,
    Entry::noun("system", "Look at the machine and the instance", system::TABLE),
    image::TAG,
    container::UNPAUSE,
    system::VERSION,
    Entry::noun("volume", "Manage volumes", volume::TABLE),
    container::WAIT,
];

//! The docker-like command line: nouns, and their verbs as shortcuts beside them.

pub mod container;
pub mod image;
mod inspect;
pub mod network;
mod prune;
mod registry;
mod system;
mod volume;

use super::Entry;

/// Sorted by name.
pub const TABLE: &[Entry] = &[
    container::ATTACH,
    container::COMMIT,
    system::COMPLETION,
    Entry::noun("container", "Manage containers", container::TABLE),
    container::COPY,
    container::CREATE,
    container::DIFF,
    system::DOCTOR,
    system::EVENTS,
    container::EXEC,
    container::EXPORT,
    image::HISTORY,
    Entry::noun("image", "Manage images", image::TABLE),
    image::LIST.named("images"),
    image::IMPORT,
    system::INFO,
    system::INSPECT,
    Entry::noun("internal", "What monitors start", super::internal::TABLE).hidden(),
    container::KILL,
    image::LOAD,
    registry::LOGIN,
    registry::LOGOUT,
    container::LOGS,
    Entry::noun("network", "Manage networks", network::TABLE),
    container::PAUSE,
    container::PORT,
    container::LIST.named("ps"),
    image::PULL,
    image::PUSH,
    container::RENAME,
    container::RESTART,
    container::REMOVE.named("rm"),
    image::REMOVE.named("rmi"),
    container::RUN,
    image::SAVE,
    container::START,
    container::STATS,
    container::STOP,
    Entry::noun("system", "Look at the machine and the instance", system::TABLE),
    image::TAG,
    container::TOP,
    container::UNPAUSE,
    container::UPDATE,
    system::VERSION,
    Entry::noun("volume", "Manage volumes", volume::TABLE),
    container::WAIT,
];

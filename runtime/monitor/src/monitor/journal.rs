//! What only the monitor sees, for the journal: starts, signals and ends in the order in which they
//! happened.

use isopod_monitor_protocol::journal::{self, Entry};
use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::status::Exit;

use super::Monitor;

impl Monitor {
    /// Records an event of the container; one that can't be written is lost.
    pub(super) fn record(&self, action: &str, more: &[(&str, &str)]) {
        record(&self.launch, action, more);
    }

    /// Records the container's end, and that its volumes are let go of.
    pub(super) fn record_end(&self, exit: &Exit) {
        record_end(&self.launch, exit);
    }
}

fn record(launch: &Launch, action: &str, more: &[(&str, &str)]) {
    let Some(journal) = &launch.journal else { return };
    let mut entry = Entry::now("container", action, &launch.id);
    entry.namespace = Some(launch.namespace.clone());
    entry.attributes.clone_from(&journal.attributes);
    entry.attributes.extend(more.iter().map(|(key, value)| ((*key).into(), (*value).into())));
    journal::append(&journal.path, &entry).ok();
}

/// As [`Monitor::record_end`], for whoever cleans up after a monitor.
pub(crate) fn record_end(launch: &Launch, exit: &Exit) {
    if exit.oom_killed {
        record(launch, "oom", &[]);
    }
    record(launch, "die", &[("exitCode", &exit.code.to_string())]);
    let Some(journal) = &launch.journal else { return };
    for volume in &journal.volumes {
        let entry = Entry::now("volume", "unmount", volume)
            .with("container", launch.id.as_str())
            .with("driver", "local");
        journal::append(&journal.path, &entry).ok();
    }
}

//! The journal of this instance: who records what, and reading it back.
//!
//! Every verb says here what it did, once it is done; monitors add what only they see (an end, a
//! killed process, a health check). A line that can't be written is lost, and nothing else.

mod read;

use std::collections::BTreeMap;
use std::io;

use isopod_image::Reference;
pub use isopod_monitor_protocol::journal::Entry;
use isopod_monitor_protocol::{journal, launch};

use crate::Runtime;
use crate::container::Container;
use crate::layout::private_folder;
use crate::network::{Network, Networks};
use crate::state::Labels;

pub use read::{Events, Reader};

/// Bytes of labels that an event tells.
const LABELS: usize = 16 << 10;

impl Runtime {
    /// Appends `entry` to the journal. Losing it must never fail a command, and does not.
    pub fn record(&self, entry: &Entry) {
        let path = self.layout().journal();
        let written = match journal::append(&path, entry) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.prepare_journal().and_then(|()| journal::append(&path, entry))
            }
            other => other,
        };
        if let Err(error) = written {
            tracing::debug!(%error, path = %path.display(), "an event is lost");
        }
    }

    /// Records what happened to an image that has this id: `name` is its name in docker's short form, or
    /// the id where docker shows that (`untag`, `delete`, `save`, `load`, `import`).
    pub(crate) fn record_image(&self, action: &str, id: &str, name: &str) {
        self.record(&Entry::now("image", action, id).with("name", name));
    }

    /// Records that an image came from or went to a registry (`pull`, `push`): docker shows its name as the
    /// object, and the repository beside it.
    pub(crate) fn record_transfer(&self, action: &str, reference: &Reference) {
        self.record_image(action, &reference.familiar(), &reference.familiar_name());
    }

    /// Records that unused objects of a kind were removed, and how many bytes that freed.
    pub fn record_prune(&self, kind: &str, reclaimed: u64) {
        self.record(&Entry::now(kind, "prune", "").with("reclaimed", reclaimed.to_string()));
    }

    /// The folder must be there before a monitor appends to the journal in it.
    pub(crate) fn prepare_journal(&self) -> io::Result<()> {
        match self.layout().journal().parent() {
            Some(folder) => private_folder(folder),
            None => Ok(()),
        }
    }
}

impl Networks<'_> {
    /// Records that `action` happened to a network, or to a container on it.
    pub(crate) fn happened(&self, action: &str, network: &Network, container: Option<&str>) {
        let mut entry = Entry::now("network", action, &network.id)
            .with("name", network.name.as_str())
            .with("type", network.record.driver.as_str());
        if let Some(container) = container {
            entry = entry.with("container", container);
        }
        self.runtime().record(&entry);
    }
}

impl Container<'_> {
    /// Records that `action` happened to it; `more` is known of it beside its name, image and labels.
    pub fn happened(&self, action: &str, more: &[(&str, &str)]) {
        let mut entry = Entry::now("container", action, self.id());
        entry.namespace = Some(self.namespace().to_owned());
        entry.attributes = self.attributes();
        entry.attributes.extend(more.iter().map(|(key, value)| ((*key).into(), (*value).into())));
        self.runtime().record(&entry);
    }

    /// For its monitor.
    pub(crate) fn journal(&self) -> launch::Journal {
        launch::Journal {
            path: self.runtime().layout().journal(),
            attributes: self.attributes(),
            volumes: self.record().volumes.iter().map(|volume| volume.name.clone()).collect(),
        }
    }

    /// What every event says of it: its labels, and over them its name and image.
    fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = told(self.labels());
        attributes.insert("name".to_owned(), self.name().to_owned());
        attributes.insert("image".to_owned(), self.record().image_as_asked());
        attributes
    }
}

/// The labels that events tell: an image may have megabytes of them, which would push everybody else's events out of
/// the journal, and lie in the monitor's memory (security.md, row 11).
fn told(labels: &Labels) -> Labels {
    let mut room = LABELS;
    let fits = |(key, value): &(&String, &String)| {
        let left = room.checked_sub(key.len() + value.len());
        room = left.unwrap_or(room);
        left.is_some()
    };
    labels.iter().filter(fits).map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_11_labels_do_not_flood_the_journal() {
        let of = |size: usize| "x".repeat(size);
        let labels = [("a", of(10)), ("b", of(LABELS)), ("c", of(LABELS - 12)), ("d", of(1))];
        let labels = labels.map(|(key, value)| (key.to_owned(), value)).into();
        assert_eq!(told(&labels).keys().collect::<Vec<_>>(), ["a", "c"]);
    }
}

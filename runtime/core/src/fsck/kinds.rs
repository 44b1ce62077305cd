//! Every kind of damage: its code, which never changes its meaning, what is wrong, and what a repair does.
//! `docs/fsck.md` explains each; a test holds the two together.

/// A kind of damage.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Stable, for scripts.
    pub code: &'static str,
    /// What a repair does; `None` where only a person can help.
    pub repair: Option<&'static str>,
}

/// `NAME "code", repair;` a line.
macro_rules! kinds {
    ($($name:ident $code:literal $repair:expr;)*) => {
        $(pub(super) const $name: &Kind = &Kind { code: $code, repair: $repair };)*
        /// All, in the order in which they are looked for.
        pub const ALL: &[&Kind] = &[$($name),*];
    };
}

/// Where what might be of use to somebody goes, below the root.
pub const DAMAGED: &str = "damaged";

kinds! {
    LAYOUT_DAMAGED "layout-damaged" Some("write the file anew");
    DATABASE_MISSING "database-missing" Some("make one from what index.json and the folders tell");
    DATABASE_DAMAGED "database-damaged" Some("move it to damaged/ and make one from what can be read of it, index.json and the folders");

    FOLDER_MISSING "folder-missing" Some("make it");
    MODE_OPEN "mode-open" Some("take the bits away");
    FILE_FOREIGN "file-foreign" Some("move it to damaged/");
    ENTRY_UNKNOWN "entry-unknown" None;
    RESERVE_HOLLOW "reserve-hollow" Some("make it anew");
    PROGRAM_DAMAGED "program-damaged" Some("remove it: the next start writes it");
    LEASE_DEAD "lease-dead" Some("remove it");
    LEASE_DAMAGED "lease-damaged" None;

    ROW_DAMAGED "row-damaged" Some("keep it in damaged/ as text; empty its labels or options, or take it out");
    NAMESPACE_MISSING "namespace-missing" Some("add its row");

    CONTENT_MARKER "content-marker" Some("write the file anew");
    CONTENT_INDEX "content-index" Some("write it anew from the database");
    BLOB_DAMAGED "blob-damaged" Some("move it to damaged/");
    BLOB_FOREIGN "blob-foreign" Some("move it to damaged/");
    CONTENT_LEFTOVER "content-leftover" Some("remove it");

    IMAGE_INCOMPLETE "image-incomplete" None;
    IMAGE_DAMAGED "image-damaged" None;

    LAYER_DAMAGED "layer-damaged" Some("move it to damaged/; it is unpacked again when it is needed");
    LAYER_UNSETTLED "layer-unsettled" Some("move it to damaged/; it is unpacked again when it is needed");
    LAYER_CHANGED "layer-changed" Some("move it to damaged/; it is unpacked again when it is needed");
    LAYER_FOREIGN "layer-foreign" Some("move it to damaged/");
    LAYER_LEFTOVER "layer-leftover" Some("remove it");

    SNAPSHOT_FOLDER_MISSING "snapshot-folder-missing" Some("make an empty one");
    SNAPSHOT_LEFTOVER "snapshot-leftover" Some("remove it");
    SNAPSHOT_FOREIGN "snapshot-foreign" Some("move it to damaged/");

    CONTAINER_UNREADABLE "container-unreadable" None;
    CONTAINER_LAYER_MISSING "container-layer-missing" Some("unpack it again from its blob");
    CONTAINER_SNAPSHOT_MISSING "container-snapshot-missing" Some("make an empty one");
    CONTAINER_FOLDER_MISSING "container-folder-missing" Some("make it");
    CONTAINER_VOLUME_MISSING "container-volume-missing" Some("add its row, and an empty folder where that is gone too");
    CONTAINER_NETWORK_MISSING "container-network-missing" None;
    CONTAINER_LEAVING "container-leaving" Some("disconnect it");
    CONTAINER_LEFTOVER "container-leftover" Some("remove it");
    CONTAINER_FOREIGN "container-foreign" Some("move it to damaged/");
    STATUS_DAMAGED "status-damaged" Some("move it to damaged/; the container counts as never started");
    MONITOR_DEAD "monitor-dead" Some("record its end, and do what was to be done then");
    MONITOR_UNKNOWN "monitor-unknown" None;
    SOCKET_STALE "socket-stale" Some("remove it");
    CONTAINER_ENDED "container-ended" Some("remove the container, as it was to be");

    VOLUME_FOLDER_MISSING "volume-folder-missing" Some("make an empty one");
    VOLUME_FOREIGN "volume-foreign" Some("move it to damaged/");
    VOLUME_LEFTOVER "volume-leftover" Some("remove it");
    VOLUME_USE_STALE "volume-use-stale" Some("forget it");
    VOLUME_USE_MISSING "volume-use-missing" Some("note it");

    NETWORK_UNREADABLE "network-unreadable" Some("move it to damaged/ as text");
    ENDPOINT_STALE "endpoint-stale" Some("give back what it held");
    ENDPOINT_UNREADABLE "endpoint-unreadable" Some("move it to damaged/ as text");
    NETWORK_NAMES "network-names" Some("write the file anew");
    NETWORK_LEFTOVER "network-leftover" Some("remove it");
    DEVICE_LEFTOVER "device-leftover" Some("remove it");
    DEVICE_MISSING "device-missing" Some("make it anew");
    RULES_MISSING "rules-missing" Some("write the rules anew");
    RULES_LEFTOVER "rules-leftover" Some("write the rules anew");

    MOUNT_LEFTOVER "mount-leftover" Some("unmount it");
    CGROUP_LEFTOVER "cgroup-leftover" Some("end what is in it, and remove it");
    JOURNAL_DAMAGED "journal-damaged" Some("keep a copy in damaged/ and take the lines out");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_the_page_explains_each() {
        let page = include_str!("../../../../docs/fsck.md");
        let codes: BTreeSet<_> = ALL.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), ALL.len());
        let explained: BTreeSet<_> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .filter(|word| word.contains('-') && !word.starts_with('-'))
            .collect();
        assert_eq!(codes, explained);
    }
}

//! What an image may ask for, cut to what it may have (security.md, row 11).
//!
//! An image's user, environment and command reach only the container's own process. Its
//! volumes give destinations and never sources. Its labels never become annotations, and
//! the ones this project or an orchestrator steers by are stripped before they become a
//! container's labels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use isopod_image::config::ContainerConfig;

use crate::paths::{self, PathError};

/// Beginnings of labels and annotations that steer runtimes, monitors or orchestrators:
/// whoever reads one must know that no image wrote it.
pub const RESERVED_PREFIXES: [&str; 9] = [
    "com.docker.network.",
    "containerd.io/",
    "io.cri-containerd.",
    "io.kubernetes.",
    "isopod.",
    "nerdctl/",
    "org.criu.",
    "org.systemd.property.",
    "run.oci.",
];

/// Whether a label or annotation is one only this project, a user or an orchestrator sets.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    RESERVED_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// An image's labels without the reserved ones.
#[must_use]
pub fn labels(image: &ContainerConfig) -> BTreeMap<String, String> {
    image
        .labels
        .iter()
        .filter(|(key, _)| !is_reserved(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Where an image wants volumes, cleaned and each once.
///
/// # Errors
/// A place that is relative, the root, or climbs.
pub fn volumes(image: &ContainerConfig) -> Result<BTreeSet<PathBuf>, PathError> {
    image.volumes.iter().map(|path| paths::image_destination(Path::new(path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn volumes_are_destinations_inside_the_container() {
        let image = |volumes: &[&str]| ContainerConfig {
            volumes: volumes.iter().map(|v| (*v).to_owned()).collect(),
            ..Default::default()
        };
        assert_eq!(
            volumes(&image(&["/data", "/data/", "//var//lib/"])).unwrap(),
            BTreeSet::from([PathBuf::from("/data"), PathBuf::from("/var/lib")])
        );
        for bad in ["", "data", "/", "/.", "/..", "/data/../../etc", "../../../etc", "/a\0b"] {
            assert!(volumes(&image(&[bad])).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reserved_labels_of_an_image_are_stripped() {
        let mut image = ContainerConfig::default();
        for prefix in RESERVED_PREFIXES {
            image.labels.insert(format!("{prefix}x"), "hostile".into());
        }
        image.labels.insert("org.opencontainers.image.title".into(), "redis".into());
        assert_eq!(
            labels(&image).into_keys().collect::<Vec<_>>(),
            ["org.opencontainers.image.title"]
        );
    }

    proptest! {
        #[test]
        fn no_volume_of_an_image_leaves_the_container(path in "[/.a\\PC]{0,20}") {
            let image = ContainerConfig {
                volumes: BTreeSet::from([path.clone()]), ..Default::default()
            };
            if let Ok(places) = volumes(&image) {
                let place = places.first().unwrap();
                prop_assert!(place.is_absolute() && place != Path::new("/"));
                prop_assert!(!path.split('/').any(|word| word == ".."));
            }
        }
    }
}

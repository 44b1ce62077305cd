//! What docker's `local` driver may be told: `type`, `device` and `o`, as for mount(8), and what becomes of
//! it. Nothing is mounted on the host: each container's launcher mounts it for that container alone.

use std::path::{Path, PathBuf};

use isopod_spec::mounts::{CONTENT_KINDS, Mount, MountKind};

use crate::container::mount;
use crate::state::Labels;
use crate::{Error, Result};

/// Where a volume's content comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Its own folder.
    Folder,
    /// A folder of the host.
    Bind {
        /// Absolute.
        device: PathBuf,
        /// Words of mount(8) but `bind` and `rbind`.
        words: Vec<String>,
        /// With what is mounted below it.
        recursive: bool,
    },
    /// Memory, of each container's own.
    Tmpfs {
        /// Words of mount(8).
        words: Vec<String>,
    },
    /// A file system with content of its own.
    Content {
        /// One of [`CONTENT_KINDS`].
        kind: String,
        /// What the type takes for a source.
        device: String,
        /// Words of mount(8) and of the file system.
        words: Vec<String>,
    },
}

impl Source {
    /// Reads driver options.
    ///
    /// # Errors
    /// An option that docker's driver does not know, or one that lacks another or can't be.
    pub fn parse(options: &Labels) -> Result<Self> {
        let refuse = |reason: String| Err(Error::Invalid(format!("volume option {reason}")));
        for key in options.keys() {
            match key.as_str() {
                "type" | "device" | "o" => {}
                "size" => {
                    return refuse(
                        "size needs a quota of the file system, which this release does not set: \
                         for memory say --opt type=tmpfs --opt device=tmpfs --opt o=size=…"
                            .to_owned(),
                    );
                }
                _ => return refuse(format!("{key:?} is not known: there are type, device and o")),
            }
        }
        let get = |key: &str| options.get(key).map(String::as_str).filter(|text| !text.is_empty());
        if options.is_empty() {
            return Ok(Self::Folder);
        }
        // docker's driver asks for the others whenever one is there.
        let Some(device) = get("device") else { return refuse("\"device\" is missing".to_owned()) };
        let Some(kind) = get("type") else { return refuse("\"type\" is missing".to_owned()) };
        let all: Vec<&str> =
            get("o").unwrap_or_default().split(',').filter(|word| !word.is_empty()).collect();
        if let Some(word) = all.iter().find(|word| !is_word(word)) {
            return refuse(format!("o={word:?} has characters that no mount option has"));
        }
        let is_bind = |word: &&str| matches!(*word, "bind" | "rbind");
        let words = all.iter().filter(|word| !is_bind(word)).map(|word| (*word).to_owned());
        let words = words.collect();
        if all.iter().any(is_bind) || kind == "bind" {
            if !device.starts_with('/') {
                return refuse(format!("device={device:?} of a bind is no absolute path"));
            }
            let recursive = all.contains(&"rbind");
            return Self::Bind { device: device.into(), words, recursive }.checked();
        }
        let source = match kind {
            "tmpfs" => Self::Tmpfs { words },
            kind if CONTENT_KINDS.contains(&kind) => {
                Self::Content { kind: kind.to_owned(), device: device.to_owned(), words }
            }
            "none" => return refuse("type=none goes with o=bind or o=rbind only".to_owned()),
            _ => {
                return refuse(format!(
                    "type={kind:?} is not supported: there are none (with o=bind), tmpfs, {}",
                    CONTENT_KINDS.join(", ")
                ));
            }
        };
        source.checked()
    }

    /// Whether the words can be said of this kind of mount.
    fn checked(self) -> Result<Self> {
        let mount = self.mount(Path::new("/volume"), "/destination", &[])?;
        // With SELinux or without: no word here asks for a label.
        mount.to_oci(false).map_err(isopod_spec::SpecError::from)?;
        Ok(self)
    }

    /// The mount that shows it in a container; `folder` is the volume's own, `options` are words of
    /// mount(8) that the container adds.
    pub(crate) fn mount(
        &self,
        folder: &Path,
        destination: &str,
        options: &[String],
    ) -> Result<Mount> {
        let with = |words: &[String]| [words, options].concat();
        match self {
            Self::Folder => {
                let kind = MountKind::Bind { source: folder.to_owned(), recursive: true };
                mount(kind, destination, options)
            }
            Self::Bind { device, words, recursive } => {
                let kind = MountKind::Bind { source: device.clone(), recursive: *recursive };
                mount(kind, destination, &with(words))
            }
            Self::Tmpfs { words } => {
                // Unlike `--tmpfs`, this one is what mount(8) would make.
                let all = ["exec", "suid", "dev"].map(str::to_owned);
                mount(MountKind::Tmpfs, destination, &[&all[..], &with(words)].concat())
            }
            Self::Content { kind, device, words } => {
                let kind = MountKind::Content { kind: kind.clone(), source: device.clone() };
                mount(kind, destination, &with(words))
            }
        }
    }
}

/// No separators that could smuggle a second line or path into what reads it (security.md, row 20).
fn is_word(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(options: &[(&str, &str)]) -> Result<Source> {
        let options = options.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        Source::parse(&options.collect())
    }

    /// The examples of docker's reference of `volume create`.
    #[test]
    fn dockers_examples_are_understood() {
        assert_eq!(parsed(&[]).unwrap(), Source::Folder);
        assert_eq!(
            parsed(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=100m,uid=1000")]).unwrap(),
            Source::Tmpfs { words: vec!["size=100m".into(), "uid=1000".into()] }
        );
        assert_eq!(
            parsed(&[("type", "btrfs"), ("device", "/dev/sda2")]).unwrap(),
            Source::Content { kind: "btrfs".into(), device: "/dev/sda2".into(), words: vec![] }
        );
        let nfs = [("type", "nfs"), ("o", "addr=192.168.1.1,rw"), ("device", ":/path/to/dir")];
        assert!(matches!(parsed(&nfs).unwrap(), Source::Content { kind, .. } if kind == "nfs"));
        assert_eq!(
            parsed(&[("type", "none"), ("device", "/srv"), ("o", "bind,ro")]).unwrap(),
            Source::Bind { device: "/srv".into(), words: vec!["ro".into()], recursive: false }
        );
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        for (options, named) in [
            (&[("type", "tmpfs")] as &[_], "device"),
            (&[("device", "/srv")], "type"),
            (&[("o", "bind")], "device"),
            (&[("colour", "red")], "colour"),
            (&[("size", "1g")], "size"),
            (&[("type", "none"), ("device", "srv"), ("o", "bind")], "absolute"),
            (&[("type", "none"), ("device", "/srv")], "o=bind"),
            (&[("type", "proc"), ("device", "proc")], "proc"),
            (&[("type", "overlay"), ("device", "x"), ("o", "lowerdir=/")], "overlay"),
            (&[("type", "none"), ("device", "/srv"), ("o", "bind,uid=1")], "uid=1"),
            (&[("type", "ext4"), ("device", "/dev/a"), ("o", "ro\nrw")], "characters"),
        ] {
            let error = parsed(options).unwrap_err().to_string();
            assert!(error.contains(named), "{options:?}: {error}");
        }
    }
}

//! `--volume`, `--mount` and `--tmpfs` in docker's grammar.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use isopod_runtime::container::Mount;
use isopod_spec::quantity;

use crate::error::Error;

/// `-v [SOURCE:]TARGET[:OPTIONS]`: a folder of the host if the source is a path, otherwise a
/// volume; without a source a volume of the container's own.
///
/// # Errors
/// It has too many parts, or an empty one.
pub fn volume(text: &str) -> Result<Mount, Error> {
    let error = |reason: &str| value("--volume", text, reason);
    let parts: Vec<&str> = text.split(':').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(error("a part is empty"));
    }
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => return Err(error("give [SOURCE:]TARGET[:OPTIONS]")),
    };
    let destination = absolute(target).ok_or_else(|| error("the target is no absolute path"))?;
    let mut options = words(options);
    // Hints for Docker Desktop, without a meaning on Linux.
    options.retain(|option| !matches!(option.as_str(), "consistent" | "cached" | "delegated"));
    Ok(match source {
        Some(source) if is_path(source) => Mount::Bind {
            source: std::path::absolute(source).map_err(Error::file("use", Path::new(source)))?,
            destination,
            options,
            create_source: true,
        },
        source => Mount::Volume {
            name: source.map(ToOwned::to_owned),
            destination,
            no_copy: take(&mut options, "nocopy"),
            options,
            subpath: String::new(),
            labels: BTreeMap::new(),
            driver_options: BTreeMap::new(),
        },
    })
}

/// `--tmpfs PATH[:OPTIONS]`.
///
/// # Errors
/// The path is not absolute.
pub fn tmpfs(text: &str) -> Result<Mount, Error> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let destination =
        absolute(target).ok_or_else(|| value("--tmpfs", text, "the target is no absolute path"))?;
    Ok(Mount::Tmpfs { destination, options: words(options) })
}

/// `--mount type=…,source=…,target=…,…`; the type is `volume` unless given.
///
/// # Errors
/// A field that is not known for the type, or lacks what it needs.
pub fn mount(text: &str) -> Result<Mount, Error> {
    let error = |reason: String| value("--mount", text, reason);
    let mut fields = Fields::default();
    for field in text.split(',') {
        let (key, given) = match field.split_once('=') {
            Some((key, given)) => (key.trim().to_ascii_lowercase(), Some(given)),
            None => (field.trim().to_ascii_lowercase(), None),
        };
        fields.take(&key, given).map_err(error)?;
    }
    fields.finish().map_err(error)
}

#[derive(Debug, Default)]
struct Fields {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    options: Vec<String>,
    no_copy: bool,
    create_source: bool,
    subpath: String,
    labels: BTreeMap<String, String>,
    driver_options: BTreeMap<String, String>,
    /// Fields that belong to one type only, with that type.
    special: Vec<(&'static str, String)>,
}

impl Fields {
    fn take(&mut self, key: &str, given: Option<&str>) -> Result<(), String> {
        let needed = || given.map(ToOwned::to_owned).ok_or_else(|| format!("{key} needs a value"));
        let switch = || match given {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) => Err(format!("{key} is neither true nor false")),
        };
        match key {
            "type" => self.kind = Some(needed()?.to_ascii_lowercase()),
            "source" | "src" => self.source = Some(needed()?),
            "target" | "dst" | "destination" => self.target = Some(needed()?),
            "readonly" | "ro" => {
                if switch()? {
                    self.options.push("ro".to_owned());
                }
            }
            "bind-propagation" => self.add("bind", key, needed()?),
            "volume-nocopy" => {
                self.no_copy = switch()?;
                self.special.push(("volume", key.to_owned()));
            }
            "volume-subpath" => {
                self.subpath = needed()?;
                self.special.push(("volume", key.to_owned()));
            }
            "volume-label" => {
                insert(&mut self.labels, &needed()?);
                self.special.push(("volume", key.to_owned()));
            }
            "volume-opt" => {
                let option = needed()?;
                if !option.contains('=') {
                    return Err(format!("volume-opt={option:?} is not KEY=VALUE"));
                }
                insert(&mut self.driver_options, &option);
                self.special.push(("volume", key.to_owned()));
            }
            "volume-driver" => match needed()?.as_str() {
                "local" => self.special.push(("volume", key.to_owned())),
                other => return Err(format!("{other:?} is no volume driver here: local is")),
            },
            "tmpfs-size" => {
                let size = quantity::bytes(&needed()?).map_err(|error| error.to_string())?;
                self.add("tmpfs", key, format!("size={size}"));
            }
            "tmpfs-mode" => self.add("tmpfs", key, format!("mode={}", needed()?)),
            // rbind is what every bind is; bind takes the mounts below it away.
            "bind-nonrecursive" => match switch()? {
                true => self.add("bind", key, "bind".to_owned()),
                false => self.special.push(("bind", key.to_owned())),
            },
            "bind-recursive" => match needed()?.as_str() {
                "enabled" => self.special.push(("bind", key.to_owned())),
                "disabled" => self.add("bind", key, "bind".to_owned()),
                _ => return Err("bind-recursive is enabled or disabled".to_owned()),
            },
            "image-subpath" => {
                self.subpath = needed()?;
                self.special.push(("image", key.to_owned()));
            }
            "bind-create-src" => {
                self.create_source = switch()?;
                self.special.push(("bind", key.to_owned()));
            }
            // Hints for Docker Desktop, without a meaning on Linux.
            "consistency" => match needed()?.as_str() {
                "default" | "consistent" | "cached" | "delegated" => {}
                other => return Err(format!("{other:?} is no consistency")),
            },
            _ => return Err(format!("{key:?} is no field of it")),
        }
        Ok(())
    }

    fn add(&mut self, kind: &'static str, key: &str, option: String) {
        self.special.push((kind, key.to_owned()));
        self.options.push(option);
    }

    fn finish(self) -> Result<Mount, String> {
        let kind = self.kind.as_deref().unwrap_or("volume");
        if let Some((_, key)) = self.special.iter().find(|(owner, _)| *owner != kind) {
            return Err(format!("{key} does not belong to type {kind}"));
        }
        let target = self.target.ok_or("it has no target")?;
        let destination = absolute(&target).ok_or("the target is no absolute path")?;
        let options = self.options;
        match (kind, self.source) {
            ("bind", Some(source)) if source.starts_with('/') => Ok(Mount::Bind {
                source: PathBuf::from(source),
                destination,
                options,
                create_source: self.create_source,
            }),
            ("image", Some(source)) => {
                Ok(Mount::Image { source, subpath: self.subpath, destination, options })
            }
            ("image", None) => Err("it has no source: the name of an image".to_owned()),
            ("bind", _) => Err("the source of a bind is an absolute path".to_owned()),
            ("volume", name) => {
                if name.is_none() && !self.subpath.is_empty() {
                    return Err("volume-subpath needs a source: the name of a volume".to_owned());
                }
                Ok(Mount::Volume {
                    name,
                    destination,
                    options,
                    no_copy: self.no_copy,
                    subpath: self.subpath,
                    labels: self.labels,
                    driver_options: self.driver_options,
                })
            }
            ("tmpfs", None) => Ok(Mount::Tmpfs { destination, options }),
            ("tmpfs", Some(_)) => Err("a tmpfs has no source".to_owned()),
            _ => Err(format!("type {kind} is not supported: give bind, volume, tmpfs or image")),
        }
    }
}

fn value(what: &'static str, text: &str, reason: impl Into<String>) -> Error {
    Error::Value { what, value: text.to_owned(), reason: reason.into() }
}

fn absolute(path: &str) -> Option<String> {
    path.starts_with('/').then(|| path.to_owned())
}

/// docker takes `.`, `..` and what has a slash in front or after these for a path.
fn is_path(source: &str) -> bool {
    source.starts_with('/')
        || source == "."
        || source == ".."
        || source.starts_with("./")
        || source.starts_with("../")
}

/// `KEY=VALUE`, or `KEY` with an empty value.
fn insert(map: &mut BTreeMap<String, String>, pair: &str) {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    map.insert(key.to_owned(), value.to_owned());
}

fn words(options: &str) -> Vec<String> {
    options.split(',').filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect()
}

fn take(options: &mut Vec<String>, word: &str) -> bool {
    let before = options.len();
    options.retain(|option| option != word);
    options.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn volumes_are_read_as_docker_reads_them() {
        assert_eq!(
            volume("/src:/dst:ro,rslave").unwrap(),
            Mount::Bind {
                source: "/src".into(),
                destination: "/dst".into(),
                options: strings(&["ro", "rslave"]),
                create_source: true,
            }
        );
        assert_eq!(
            volume("data:/data:nocopy").unwrap(),
            Mount::Volume {
                name: Some("data".into()),
                destination: "/data".into(),
                options: Vec::new(),
                no_copy: true,
                subpath: String::new(),
                labels: BTreeMap::new(),
                driver_options: BTreeMap::new(),
            }
        );
        assert!(matches!(volume("/data").unwrap(), Mount::Volume { name: None, .. }));
        for hint in ["consistent", "cached", "delegated"] {
            let mount = volume(&format!("/src:/dst:{hint},ro")).unwrap();
            let Mount::Bind { options, .. } = mount else { panic!("no bind") };
            assert_eq!(options, ["ro"]);
        }
        let Mount::Bind { source, .. } = volume("./x:/x").unwrap() else { panic!("no bind") };
        assert_eq!(source, std::env::current_dir().unwrap().join("x"));
        for wrong in ["", ":/x", "a:b", "/a:/b:ro:x", "/a:", "data"] {
            assert!(volume(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mounts_are_read_as_docker_reads_them() {
        assert_eq!(
            mount("type=bind,source=/a,target=/b,readonly,bind-propagation=rshared").unwrap(),
            Mount::Bind {
                source: "/a".into(),
                destination: "/b".into(),
                options: strings(&["ro", "rshared"]),
                create_source: false,
            }
        );
        assert_eq!(
            mount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770").unwrap(),
            Mount::Tmpfs {
                destination: "/t".into(),
                options: strings(&["size=1048576", "mode=1770"]),
            }
        );
        assert_eq!(
            mount(
                "src=v,dst=/v,volume-nocopy=true,ro=false,volume-label=a=b,volume-opt=type=tmpfs,\
                 volume-driver=local,volume-subpath=sub"
            )
            .unwrap(),
            Mount::Volume {
                name: Some("v".into()),
                destination: "/v".into(),
                options: Vec::new(),
                no_copy: true,
                subpath: "sub".into(),
                labels: [("a".to_owned(), "b".to_owned())].into(),
                driver_options: [("type".to_owned(), "tmpfs".to_owned())].into(),
            }
        );
    }

    #[test]
    fn what_a_mount_lacks_or_may_not_have_is_named() {
        for (text, named) in [
            ("type=bind,source=/a", "target"),
            ("type=bind,target=/b", "source"),
            ("type=tmpfs,source=/a,target=/b", "source"),
            ("type=tmpfs,target=/b,volume-nocopy", "volume-nocopy"),
            ("type=npipe,target=/b", "npipe"),
            ("target=/b,colour=red", "colour"),
            ("target=/b,volume-opt=x", "volume-opt"),
            ("target=relative", "absolute"),
        ] {
            let error = mount(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}

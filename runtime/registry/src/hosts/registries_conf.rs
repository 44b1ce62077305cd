//! `registries.conf` of version 2 and its drop-ins (containers-registries.conf(5)).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use isopod_image::Reference;
use isopod_image::reference::ParseError;
use serde::Deserialize;

use super::{HostsError, read_optional};
use crate::endpoint::{Endpoint, Scheme, TlsOptions};

/// Mirrors, locations and short names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistriesConf {
    registries: Vec<Registry>,
    unqualified_search: Vec<String>,
    aliases: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Registry {
    file: PathBuf,
    prefix: String,
    location: Option<String>,
    insecure: bool,
    blocked: bool,
    mirrors: Vec<Mirror>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mirror {
    location: String,
    insecure: bool,
    when: When,
}

/// For which references a mirror is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    All,
    DigestOnly,
    TagOnly,
}

/// Why a short name means no image.
#[derive(Debug, thiserror::Error)]
pub enum ShortNameError {
    /// It is no reference, or its expansion is none.
    #[error("unusable image name {name:?}")]
    Reference {
        /// What was typed or configured.
        name: String,
        /// Why.
        source: ParseError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    unqualified_search_registries: Option<Vec<String>>,
    short_name_mode: Option<String>,
    #[serde(default)]
    registry: Vec<RegistrySection>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RegistrySection {
    prefix: Option<String>,
    location: Option<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<MirrorSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MirrorSection {
    location: String,
    #[serde(default)]
    insecure: bool,
    pull_from_mirror: Option<String>,
}

impl RegistriesConf {
    /// Reads `file` and then the `*.conf` of `drop_ins` in the order of their names; later ones
    /// replace what earlier ones say of the same prefix, alias or list. Missing files say nothing.
    ///
    /// # Errors
    /// A file is unreadable, malformed, of version 1 or has an unknown field.
    pub fn load(file: &Path, drop_ins: &Path) -> Result<Self, HostsError> {
        let mut all = Self::default();
        let mut files = vec![file.to_owned()];
        files.extend(conf_files(drop_ins)?);
        for path in files {
            if let Some(text) = read_optional(&path)? {
                all.add(&path, &text)?;
            }
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<(), HostsError> {
        let file: File = toml::from_str(text).map_err(|source| HostsError::Malformed {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let value = |field, value: &str| HostsError::Value {
            path: path.to_owned(),
            field,
            value: value.to_owned(),
        };
        // Nobody is asked here and every search registry is tried, so all three modes of
        // choosing among several come to the same.
        match file.short_name_mode.as_deref() {
            None | Some("" | "enforcing" | "permissive" | "disabled") => {}
            Some(other) => return Err(value("short-name-mode", other)),
        }
        if let Some(list) = file.unqualified_search_registries {
            self.unqualified_search = list;
        }
        for (name, target) in file.aliases {
            if target.is_empty() {
                self.aliases.remove(&name);
            } else {
                self.aliases.insert(name, target);
            }
        }
        for section in file.registry {
            let prefix = match (&section.prefix, &section.location) {
                (Some(prefix), _) if !prefix.is_empty() => prefix.clone(),
                (_, Some(location)) if !location.is_empty() => location.clone(),
                _ => return Err(value("registry without prefix and location", "")),
            };
            let registry = Registry {
                file: path.to_owned(),
                location: section.location.filter(|location| !location.is_empty()),
                insecure: section.insecure,
                blocked: section.blocked,
                mirrors: mirrors(section.mirror, section.mirror_by_digest_only, value)?,
                prefix,
            };
            self.registries.retain(|other| other.prefix != registry.prefix);
            self.registries.push(registry);
        }
        Ok(())
    }

    /// The images that a name as typed may mean, in the order in which to try them: an alias'
    /// target, or the name on each search registry, or docker.io's.
    ///
    /// # Errors
    /// The name or what it expands to is no reference.
    pub fn expand(&self, typed: &str) -> Result<Vec<Reference>, ShortNameError> {
        let parse = |name: &str| {
            Reference::parse(name)
                .map_err(|source| ShortNameError::Reference { name: name.to_owned(), source })
        };
        let reference = parse(typed)?;
        // What is already qualified survives the strict form but for a missing tag.
        let qualified = !matches!(Reference::parse_strict(typed), Err(ParseError::NoRegistry(_)));
        if qualified {
            return Ok(vec![reference]);
        }
        let split = typed.find([':', '@']).unwrap_or(typed.len());
        let (name, suffix) = typed.split_at(split);
        if let Some(target) = self.aliases.get(name) {
            return Ok(vec![parse(&format!("{target}{suffix}"))?]);
        }
        if self.unqualified_search.is_empty() {
            return Ok(vec![reference]);
        }
        self.unqualified_search.iter().map(|host| parse(&format!("{host}/{typed}"))).collect()
    }

    /// The servers for `reference`; `None` if no entry is about it.
    pub(super) fn endpoints(
        &self,
        reference: &Reference,
    ) -> Result<Option<Vec<Endpoint>>, HostsError> {
        let name = reference.name();
        let matching = self.registries.iter().filter(|registry| registry.matches(&name));
        let Some(registry) = matching.max_by_key(|registry| registry.prefix.len()) else {
            return Ok(None);
        };
        if registry.blocked {
            return Err(HostsError::Blocked { path: registry.file.clone(), name });
        }
        let by_digest = reference.digest().is_some();
        let mut endpoints = Vec::new();
        for mirror in &registry.mirrors {
            let asked = match mirror.when {
                When::All => true,
                When::DigestOnly => by_digest,
                When::TagOnly => !by_digest,
            };
            if asked {
                endpoints.push(registry.endpoint(reference, &mirror.location, mirror.insecure)?);
            }
        }
        // A wildcard's location could only be one server for many registries.
        let location = registry.location.as_deref().filter(|_| !registry.prefix.starts_with("*."));
        let location = location.unwrap_or(&registry.prefix);
        endpoints.push(if registry.prefix.starts_with("*.") {
            let mut endpoint = Endpoint::upstream(reference.registry(), reference.repository());
            make_insecure(&mut endpoint, registry.insecure);
            endpoint
        } else {
            registry.endpoint(reference, location, registry.insecure)?
        });
        Ok(Some(endpoints))
    }
}

impl Registry {
    fn matches(&self, name: &str) -> bool {
        if let Some(domain) = self.prefix.strip_prefix('*') {
            let host = name.split('/').next().unwrap_or_default();
            return host.split(':').next().unwrap_or_default().ends_with(domain);
        }
        name.strip_prefix(&self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// `reference` with this entry's prefix replaced by `location`.
    fn endpoint(
        &self,
        reference: &Reference,
        location: &str,
        insecure: bool,
    ) -> Result<Endpoint, HostsError> {
        let name = reference.name();
        let rest = name.strip_prefix(&self.prefix).unwrap_or_else(|| {
            // Under a wildcard only the host is replaced.
            name.find('/').map_or("", |slash| &name[slash..])
        });
        let place = format!("{}{rest}", location.trim_end_matches('/'));
        let moved = Reference::parse(&place).map_err(|_| HostsError::Value {
            path: self.file.clone(),
            field: "location",
            value: location.to_owned(),
        })?;
        let mut endpoint = Endpoint::upstream(moved.registry(), moved.repository());
        make_insecure(&mut endpoint, insecure);
        Ok(endpoint)
    }
}

fn make_insecure(endpoint: &mut Endpoint, insecure: bool) {
    if insecure && endpoint.scheme == Scheme::Https {
        endpoint.scheme = Scheme::HttpsThenHttp;
        endpoint.tls = TlsOptions { skip_verify: true, ..TlsOptions::default() };
    }
}

fn mirrors(
    sections: Vec<MirrorSection>,
    by_digest_only: bool,
    value: impl Fn(&'static str, &str) -> HostsError,
) -> Result<Vec<Mirror>, HostsError> {
    let one = |section: MirrorSection| {
        let when = match section.pull_from_mirror.as_deref() {
            None | Some("") if by_digest_only => When::DigestOnly,
            None | Some("" | "all") if !by_digest_only => When::All,
            Some("digest-only") if !by_digest_only => When::DigestOnly,
            Some("tag-only") if !by_digest_only => When::TagOnly,
            other => return Err(value("pull-from-mirror", other.unwrap_or_default())),
        };
        Ok(Mirror { location: section.location, insecure: section.insecure, when })
    };
    sections.into_iter().map(one).collect()
}

fn conf_files(folder: &Path) -> Result<Vec<PathBuf>, HostsError> {
    let error = |source| HostsError::Read { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(error(source)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(error)?.path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

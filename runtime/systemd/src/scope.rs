//! Scopes by name: `slice:prefix:name`, as engines write it into `linux.cgroupsPath` for runtimes that are
//! told to use systemd, is the unit `prefix-name.scope` in that slice.

use std::path::PathBuf;

use crate::{Error, Result};

/// Where units go that name no slice.
const DEFAULT_SLICE: &str = "system.slice";
/// The slice above all others, whose group is the root.
const ROOT_SLICE: &str = "-.slice";
/// systemd's `UNIT_NAME_MAX`, in bytes.
const MAX: usize = 255;

/// A transient unit that holds processes which systemd did not start (systemd.scope(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The slice's name, `a-b.slice`.
    pub slice: String,
    /// Its own, `prefix-name.scope`.
    pub unit: String,
}

impl Scope {
    /// Whether `path` has the form of a scope's name and not of a cgroup's path.
    #[must_use]
    pub fn is_meant(path: &str) -> bool {
        !path.contains('/') && path.split(':').count() == 3
    }

    /// Reads `slice:prefix:name`. An empty slice is `system.slice`, an empty prefix none.
    ///
    /// # Errors
    /// It has another form; a part can't be a unit's name.
    pub fn parse(text: &str) -> Result<Self> {
        let [slice, prefix, name] = text.split(':').collect::<Vec<_>>()[..] else {
            return Err(Error::Name(format!(
                "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {text:?} instead"
            )));
        };
        Self::new(slice, prefix, name)
    }

    /// The scope of `name` in `slice`.
    ///
    /// # Errors
    /// See [`Self::parse`].
    pub fn new(slice: &str, prefix: &str, name: &str) -> Result<Self> {
        let slice = if slice.is_empty() { DEFAULT_SLICE } else { slice };
        check_slice(slice)?;
        if name.is_empty() {
            return Err(Error::Name("a scope of systemd's needs a name".to_owned()));
        }
        if name.ends_with(".slice") {
            return Err(Error::Name(format!(
                "{name}: a slice of its own is not supported as a container's cgroup"
            )));
        }
        let unit = match prefix {
            "" => format!("{name}.scope"),
            prefix => format!("{prefix}-{name}.scope"),
        };
        check_unit(&unit)?;
        Ok(Self { slice: slice.to_owned(), unit })
    }

    /// Where its group is, absolute below every hierarchy's root: `a-b.slice` lies in `a.slice`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let mut path = PathBuf::from("/");
        let name = self.slice.trim_end_matches(".slice");
        if self.slice != ROOT_SLICE {
            for (end, _) in name.match_indices('-') {
                path.push(format!("{}.slice", &name[..end]));
            }
            path.push(&self.slice);
        }
        path.join(&self.unit)
    }
}

/// Whether it is a slice's name (systemd.slice(5)): no dash begins, ends or follows another.
///
/// # Errors
/// It is none.
pub fn check_slice(slice: &str) -> Result<()> {
    if slice == ROOT_SLICE {
        return Ok(());
    }
    let name = slice.strip_suffix(".slice").unwrap_or_default();
    let parts_are_there = name.split('-').all(|part| !part.is_empty());
    if !parts_are_there || slice.contains('/') {
        return Err(Error::Name(format!(
            "cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\", not {slice:?}"
        )));
    }
    check_unit(slice)
}

fn check_unit(unit: &str) -> Result<()> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if unit.len() > MAX || !unit.chars().all(is_allowed) {
        return Err(Error::Name(format!("{unit:?} is no name of a unit of systemd's")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The second and third are in runc's docs/systemd.md, the slices in systemd.slice(5).
    #[test]
    fn a_name_is_a_unit_in_a_slice_in_its_slices() {
        for (text, unit, path) in [
            ("system.slice:isopod:1a", "isopod-1a.scope", "/system.slice/isopod-1a.scope"),
            ("runtime.slice:runc:434234", "runc-434234.scope", "/runtime.slice/runc-434234.scope"),
            (
                "foo-bar-baz.slice:cri-containerd:x",
                "cri-containerd-x.scope",
                "/foo.slice/foo-bar.slice/foo-bar-baz.slice/cri-containerd-x.scope",
            ),
            (":docker:x", "docker-x.scope", "/system.slice/docker-x.scope"),
            ("-.slice:a:x", "a-x.scope", "/a-x.scope"),
            ("a.slice::x", "x.scope", "/a.slice/x.scope"),
        ] {
            let scope = Scope::parse(text).unwrap();
            assert_eq!((&*scope.unit, &*scope.path()), (unit, Path::new(path)), "{text}");
        }
    }

    #[test]
    fn what_can_be_no_unit_is_refused() {
        for text in [
            "/system.slice/x",
            "a:b:c",
            "a.slice:b",
            "a.slice:b:",
            "-a.slice:b:c",
            "a-.slice:b:c",
            "a--b.slice:b:c",
            ".slice:b:c",
            "a/b.slice:b:c",
            "a.slice:b:c/d",
            "a.slice:b:c d",
            "a.slice:b:c.slice",
            "../a.slice:b:c",
            "a.slice:b:c:d",
        ] {
            assert!(Scope::parse(text).is_err(), "{text}");
        }
        assert!(Scope::new("a.slice", "", &"x".repeat(250)).is_err());
    }

    #[test]
    fn a_path_is_no_scope() {
        assert!(Scope::is_meant("system.slice:a:b") && Scope::is_meant("::b"));
        assert!(
            !Scope::is_meant("/a:b:c") && !Scope::is_meant("/a/b") && !Scope::is_meant("a:b:c/d")
        );
    }
}

//! The environment of a process: defaults, then the image's, then the request's, later
//! winning in the place of the earlier, so that the order is the same at every start.

/// What an image or request leaves out of PATH when it says nothing.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why an entry is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EnvironmentError {
    /// `=value`.
    #[error("environment entry {0:?} has no name")]
    NoName(String),
    /// A NUL ends a string for the kernel: what follows would be lost.
    #[error("environment entry {0:?} contains a NUL")]
    Nul(String),
}

/// An ordered list of `NAME=value`, each name once.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    entries: Vec<String>,
}

impl Environment {
    /// Sets `name`, in the place of an earlier value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.put(format!("{name}={value}"), name.len());
    }

    /// Sets `name` unless it has a value other than the empty one.
    ///
    /// Returns whether it was set.
    pub fn set_missing(&mut self, name: &str, value: &str) -> bool {
        let missing = self.get(name).is_none_or(str::is_empty);
        if missing {
            self.set(name, value);
        }
        missing
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.iter().find_map(|e| e.strip_prefix(name)?.strip_prefix('='))
    }

    /// Adds an image's entries; one without `=` or without a name means nothing there.
    ///
    /// # Errors
    /// [`EnvironmentError::Nul`].
    pub fn extend_from_image(&mut self, entries: &[String]) -> Result<(), EnvironmentError> {
        for entry in entries {
            match entry.find('=') {
                Some(0) | None => {}
                Some(end) => self.put_checked(entry, end)?,
            }
        }
        Ok(())
    }

    /// Adds a request's entries: `NAME=value` sets, a bare `NAME` removes.
    ///
    /// (`-e NAME` takes the caller's value in docker; the command line resolves that, since
    /// libraries do not read the environment, and passes the bare name where there is none.)
    ///
    /// # Errors
    /// See [`EnvironmentError`].
    pub fn extend_from_request(&mut self, entries: &[String]) -> Result<(), EnvironmentError> {
        for entry in entries {
            match entry.find('=') {
                Some(0) => return Err(EnvironmentError::NoName(entry.clone())),
                Some(end) => self.put_checked(entry, end)?,
                None if entry.is_empty() => return Err(EnvironmentError::NoName(entry.clone())),
                None => self.entries.retain(|e| name_of(e) != entry),
            }
        }
        Ok(())
    }

    /// The entries, `NAME=value` each.
    #[must_use]
    pub fn into_entries(self) -> Vec<String> {
        self.entries
    }

    fn put_checked(&mut self, entry: &str, name_end: usize) -> Result<(), EnvironmentError> {
        if entry.contains('\0') {
            return Err(EnvironmentError::Nul(entry.to_owned()));
        }
        self.put(entry.to_owned(), name_end);
        Ok(())
    }

    fn put(&mut self, entry: String, name_end: usize) {
        let name = &entry[..name_end];
        match self.entries.iter().position(|e| name_of(e) == name) {
            Some(place) => self.entries[place] = entry,
            None => self.entries.push(entry),
        }
    }
}

fn name_of(entry: &str) -> &str {
    entry.split_once('=').map_or(entry, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|e| (*e).to_owned()).collect()
    }

    #[test]
    fn later_entries_win_in_the_place_of_the_earlier() {
        let mut env = Environment::default();
        env.set("PATH", DEFAULT_PATH);
        env.extend_from_image(&list(&["A=1", "B=2", "C=x=y", "no-sign", "=odd"])).unwrap();
        env.extend_from_request(&list(&["B=3", "D=", "A", "PATH=/bin"])).unwrap();
        assert!(env.set_missing("D", "filled"));
        assert!(!env.set_missing("B", "not used"));
        assert_eq!(env.get("C"), Some("x=y"));
        assert_eq!(env.into_entries(), ["PATH=/bin", "B=3", "C=x=y", "D=filled"]);
    }

    #[test]
    fn entries_without_a_name_or_with_a_nul_are_refused() {
        for entry in ["", "=v", "A=b\0c"] {
            assert!(Environment::default().extend_from_request(&list(&[entry])).is_err());
        }
        assert!(Environment::default().extend_from_image(&list(&["A=b\0c"])).is_err());
    }

    proptest! {
        #[test]
        fn no_name_appears_twice(entries in proptest::collection::vec("[AB]{1,2}(=[x=]{0,2})?", 0..9)) {
            let mut env = Environment::default();
            env.extend_from_request(&entries).unwrap();
            let mut names: Vec<_> =
                env.into_entries().iter().map(|e| name_of(e).to_owned()).collect();
            let count = names.len();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), count);
        }
    }
}

//! `/etc/crictl.yaml`: one flat mapping of options, whose comments stay when an option is set.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde_json::Value;

use crate::error::Error;

/// The options, in the original's order.
pub const OPTIONS: [&str; 8] = [
    "runtime-endpoint",
    "image-endpoint",
    "timeout",
    "debug",
    "pull-image-on-create",
    "disable-pull-on-run",
    "max-retries",
    "enable-streaming",
];

/// What the file says; what it doesn't has the type's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsFile {
    /// A URL.
    pub runtime_endpoint: String,
    /// A URL.
    pub image_endpoint: String,
    /// In seconds; none or fewer mean the default.
    pub timeout: i64,
    /// As `-D`.
    pub debug: bool,
    /// Whether `create` pulls.
    pub pull_image_on_create: bool,
    /// Whether `run` doesn't.
    pub disable_pull_on_run: bool,
    /// As the flag.
    pub max_retries: i64,
}

impl SettingsFile {
    /// Reads a file that has to be there.
    ///
    /// # Errors
    /// The file system's; what is no such file, the option at fault named.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
        Self::parse(&text).map_err(|reason| of_file(path, &reason))
    }

    /// The same, or defaults where there is none.
    ///
    /// # Errors
    /// As [`SettingsFile::read`].
    pub fn read_if_there(path: &Path) -> Result<Self, Error> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|reason| of_file(path, &reason)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::file("read", path)(error)),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        // Comments alone are a file without options.
        let content = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
        if !text.lines().any(|line| content(&line)) {
            return Ok(Self::default());
        }
        let value: Value = serde_saphyr::from_str(text)
            .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())?;
        let Value::Object(options) = value else {
            return Err("it is no mapping of options".to_owned());
        };
        let mut file = Self::default();
        for (name, value) in options {
            let text = match value {
                Value::Null => String::new(),
                Value::String(text) => text,
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                _ => return Err(format!("option {name} has no single value")),
            };
            file.set(&name, &text)?;
        }
        Ok(file)
    }

    /// Sets an option from text.
    ///
    /// # Errors
    /// An option that is not known; a value of the wrong type.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "runtime-endpoint" => value.clone_into(&mut self.runtime_endpoint),
            "image-endpoint" => value.clone_into(&mut self.image_endpoint),
            "timeout" => self.timeout = whole(name, value)?,
            "debug" => self.debug = truth(name, value)?,
            "pull-image-on-create" => self.pull_image_on_create = truth(name, value)?,
            "disable-pull-on-run" => self.disable_pull_on_run = truth(name, value)?,
            "max-retries" => self.max_retries = whole(name, value)?,
            "enable-streaming" => {
                if truth(name, value)? {
                    let why = crate::refused::sentence("list-streams");
                    return Err(format!("option enable-streaming is not supported: {why}"));
                }
            }
            _ => {
                let known = OPTIONS.join(", ");
                return Err(format!("{name:?} is no option: there are {known}"));
            }
        }
        Ok(())
    }

    /// An option as text; nothing if it is not known.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        Some(match name {
            "runtime-endpoint" => self.runtime_endpoint.clone(),
            "image-endpoint" => self.image_endpoint.clone(),
            "timeout" => self.timeout.to_string(),
            "debug" => self.debug.to_string(),
            "pull-image-on-create" => self.pull_image_on_create.to_string(),
            "disable-pull-on-run" => self.disable_pull_on_run.to_string(),
            "max-retries" => self.max_retries.to_string(),
            "enable-streaming" => false.to_string(),
            _ => return None,
        })
    }
}

/// The text of a file with an option set to `value`, everything else as it was.
#[must_use]
pub fn edited(text: &str, name: &str, value: &str) -> String {
    let entry = match value.is_empty() {
        true => format!("{name}: \"\""),
        false => format!("{name}: {value}"),
    };
    let is_it = |line: &str| {
        let rest = line.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    let mut found = false;
    let mut edited = String::new();
    for line in text.lines() {
        match is_it(line) {
            true => {
                let comment = line.find(" #").map_or("", |at| &line[at..]);
                writeln!(edited, "{entry}{comment}").ok();
                found = true;
            }
            false => writeln!(edited, "{line}").ok().unwrap_or_default(),
        }
    }
    if !found {
        writeln!(edited, "{entry}").ok();
    }
    edited
}

fn of_file(path: &Path, reason: &str) -> Error {
    Error::Argument(format!("configuration file {} can't be used: {reason}", path.display()))
}

fn whole(name: &str, value: &str) -> Result<i64, String> {
    match value {
        "" => Ok(0),
        _ => value.parse().map_err(|_| format!("option {name} is {value:?}, and no whole number")),
    }
}

fn truth(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "" => Ok(false),
        _ => crate::commands::go_bool(value)
            .map_err(|_| format!("option {name} is {value:?}, and neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of cri-tools' `docs/crictl.md`.
    const EXAMPLE: &str = "runtime-endpoint: unix:///var/run/containerd/containerd.sock\nimage-endpoint: unix:///var/run/containerd/containerd.sock\ntimeout: 10\ndebug: true\n";

    #[test]
    fn the_documented_example_is_read() {
        let file = SettingsFile::parse(EXAMPLE).unwrap();
        assert_eq!(file.runtime_endpoint, "unix:///var/run/containerd/containerd.sock");
        assert_eq!((file.timeout, file.debug, file.pull_image_on_create), (10, true, false));
        assert_eq!(SettingsFile::parse("# nothing\n"), Ok(SettingsFile::default()));
        assert_eq!(
            SettingsFile::parse("debug:\nimage-endpoint: \"\"\n"),
            Ok(SettingsFile::default())
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| SettingsFile::parse(text).unwrap_err();
        assert!(error("runtime_endpoint: x\n").contains("\"runtime_endpoint\" is no option"));
        assert!(error("timeout: soon\n").contains("timeout is \"soon\", and no whole number"));
        assert!(error("debug: perhaps\n").contains("neither true nor false"));
        assert!(error("enable-streaming: true\n").contains("not supported"));
        assert!(error("- a\n").contains("no mapping"));
        assert!(!error("a: [\n").is_empty());
    }

    #[test]
    fn comments_and_other_options_stay_when_one_is_set() {
        let text = "# mine\ntimeout: 10 # seconds\ndebug: true\n";
        let text = edited(text, "timeout", "3");
        assert_eq!(text, "# mine\ntimeout: 3 # seconds\ndebug: true\n");
        let text = edited(&text, "runtime-endpoint", "unix:///a");
        assert!(text.ends_with("debug: true\nruntime-endpoint: unix:///a\n"), "{text}");
        assert_eq!(edited("", "image-endpoint", ""), "image-endpoint: \"\"\n");
        assert_eq!(SettingsFile::parse(&text).unwrap().timeout, 3);
    }
}

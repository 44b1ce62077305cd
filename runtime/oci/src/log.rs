//! How a runtime's messages look, in its log file and on standard error: engines read the last one.

use isopod_monitor_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

/// `--log-format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// `time="…" level=error msg="…"`.
    #[default]
    Text,
    /// `{"level":"error","msg":"…","time":"…"}`.
    Json,
}

/// Where messages go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// `--log`; without one messages go to standard error.
    pub file: Option<PathBuf>,
    /// `--log-format`.
    pub format: Format,
    /// `--debug`.
    pub debug: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    level: &'a str,
    msg: &'a str,
    time: &'a str,
}

impl Format {
    /// One message with its newline.
    #[must_use]
    pub fn line(self, level: &str, message: &str) -> String {
        // Whole seconds, as RFC 3339 has them.
        let seconds = Timestamp::now().0 / 1_000_000_000 * 1_000_000_000;
        let time = Timestamp(seconds).to_string();
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        match self {
            Self::Text => {
                format!("time={} level={level} msg={}\n", quoted(&time), quoted(message))
            }
            Self::Json => {
                let line = Line { level, msg: message, time: &time };
                serde_json::to_string(&line).unwrap_or_default() + "\n"
            }
        }
    }
}

impl Log {
    /// Appends a message to the log file; `false` where there is none, and the caller has standard error.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn append(&self, level: &str, message: &str) -> io::Result<bool> {
        let Some(path) = &self.file else { return Ok(false) };
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(self.format.line(level, message).as_bytes())?;
        Ok(true)
    }

    /// What standard error is to hear of the message that ends a command: the bare words if the log
    /// file has the line.
    #[must_use]
    pub fn fatal(&self, message: &str) -> String {
        match self.append("error", message) {
            Ok(true) => format!("{message}\n"),
            Ok(false) => self.format.line("error", message),
            Err(error) => {
                let path = self.file.clone().unwrap_or_default();
                format!("{message}\ncannot write {}: {error}\n", path.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_file_has_the_line_and_standard_error_the_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log { file: Some(path.clone()), format: Format::Json, debug: false };
        assert_eq!(log.fatal("container \"x\" is\tgone"), "container \"x\" is\tgone\n");
        let text = std::fs::read_to_string(&path).unwrap();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "error");
        assert_eq!(line["msg"], "container \"x\" is\tgone");
        assert_eq!(line["time"].as_str().unwrap().len(), "2026-11-20T17:14:30Z".len());
        let text = Log::default().fatal("a \"b\"");
        assert!(
            text.starts_with("time=\"20")
                && text.ends_with("Z\" level=error msg=\"a \\\"b\\\"\"\n")
        );
    }
}

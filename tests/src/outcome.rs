//! What came of a command, and assertions on it that read as sentences.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;

/// A finished command. Every assertion shows the whole of it when it fails.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub command: String,
    /// The exit code as a shell sees it: 128 + n for a signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "$ {}\n-- exit code {} after {:?}\n-- stdout\n{}-- stderr\n{}--",
            self.command, self.code, self.took, self.stdout, self.stderr
        )
    }
}

impl Outcome {
    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.code, 0, "should have succeeded\n{self}");
        self
    }

    /// Ends with just this code: 125 for the tool's own failure, 126 and 127 for the
    /// command's, the container's own otherwise.
    #[track_caller]
    pub fn fails_with(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "should have ended with {code}\n{self}");
        self
    }

    #[track_caller]
    pub fn prints(&self, expected: &str) -> &Self {
        assert_eq!(self.stdout, expected, "{self}");
        self
    }

    #[track_caller]
    pub fn prints_nothing(&self) -> &Self {
        self.prints("")
    }

    #[track_caller]
    pub fn mentions(&self, part: &str) -> &Self {
        assert!(self.stdout.contains(part), "stdout should mention {part:?}\n{self}");
        self
    }

    #[track_caller]
    pub fn never_mentions(&self, part: &str) -> &Self {
        assert!(!self.stdout.contains(part), "stdout should not mention {part:?}\n{self}");
        assert!(!self.stderr.contains(part), "stderr should not mention {part:?}\n{self}");
        self
    }

    /// One clear error: it names what was wrong, once, and no panic shows through.
    #[track_caller]
    pub fn complains_of(&self, part: &str) -> &Self {
        assert!(self.stderr.contains(part), "stderr should mention {part:?}\n{self}");
        assert!(!self.stderr.contains("panicked at"), "a panic is no error message\n{self}");
        self
    }

    #[track_caller]
    pub fn complains_of_nothing(&self) -> &Self {
        assert_eq!(self.stderr, "", "{self}");
        self
    }

    /// Stdout without its last newline.
    #[track_caller]
    pub fn line(&self) -> &str {
        let line = self.succeeds().stdout.trim_end_matches('\n');
        assert!(!line.contains('\n'), "should be one line\n{self}");
        line
    }

    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        let parsed = serde_json::from_str(&self.succeeds().stdout);
        parsed.unwrap_or_else(|error| panic!("stdout is not the JSON expected: {error}\n{self}"))
    }
}

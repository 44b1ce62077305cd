//! The program under test.

use std::path::Path;
use std::process::{Command, Stdio};

use isopod_tests::binary;

/// What came of a command.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Told {
    /// The output of a command that went well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.out
    }

    /// The error of one that didn't.
    #[track_caller]
    pub fn failed(self, status: i32) -> String {
        assert_eq!(self.status, status, "{self:?}");
        self.err
    }

    /// The output as JSON.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).unwrap()
    }
}

/// `isopod crictl`, for a socket, with an environment of its own.
pub fn crictl(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary::isopod());
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TZ", "UTC")
        .env("CONTAINER_RUNTIME_ENDPOINT", format!("unix://{}", socket.display()))
        .arg("crictl")
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn told(command: &mut Command) -> Told {
    let output = command.output().unwrap();
    Told {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

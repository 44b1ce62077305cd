//! The one conversion of every failure to what a person reads and a script tests:
//! a line, a hint and an exit status.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;

use isopod_runtime::ErrorKind;

use crate::config::ConfigError;
use crate::output::template::TemplateError;
use crate::refused::Refusal;

/// Exit status when the tool failed and not what it ran (`docker run`, and every wrong
/// command line of the docker-like personality).
pub const TOOL_FAILED: u8 = 125;
/// Exit status of a command that may not be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// Exit status of a command that does not exist.
pub const NOT_FOUND: u8 = 127;
/// What a shell shows of a program that SIGPIPE ended: its reader left first.
const READER_LEFT: u8 = 128 + 13;

/// Why a command line failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line can't be meant.
    #[error("{message}")]
    Usage {
        /// What is wrong with which argument.
        message: String,
        /// The command whose `--help` explains it, as typed.
        command: String,
    },
    /// A value that a command line gave can't be used.
    #[error("invalid {what} {value:?}: {reason}")]
    Value {
        /// Which flag or argument, as in "--env".
        what: &'static str,
        /// As given.
        value: String,
        /// Why not.
        reason: String,
    },
    /// The same, where the reason names the value itself.
    #[error("{0}")]
    Argument(String),
    /// Known to the original, and not supported here.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A personality that is known and not built yet.
    #[error("the {0} command line is not part of this release")]
    Unbuilt(&'static str),
    /// Nothing works without it yet.
    #[error("this needs root, and the effective user id is {0}")]
    NotRoot(u32),
    /// A container that runs could not execute what it was asked to, and that is no answer of the program's.
    #[error(transparent)]
    NotExecuted(Box<isopod_runtime::Error>),
    /// The registry's answer to a login.
    #[error("registry {host} refuses user {user:?} with this password")]
    LoginRefused {
        /// As in `docker.io`.
        host: String,
        /// Who.
        user: String,
        /// In the registry's words.
        source: Box<isopod_runtime::Error>,
    },
    /// The library's.
    #[error(transparent)]
    Runtime(#[from] isopod_runtime::Error),
    /// The configuration file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `--format`.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A view could not be written as JSON.
    #[error("cannot write JSON")]
    Json(#[from] serde_json::Error),
    /// Standard output.
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
    /// A file that the command line named.
    #[error("cannot {action} {path}")]
    File {
        /// As in "read".
        action: &'static str,
        /// Which.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The caller's terminal.
    #[error("{action}")]
    Terminal {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A check found bytes that are not what their digest says.
    #[error("blob {digest} of image {image} is damaged: pull the image again")]
    DamagedBlob {
        /// Which.
        digest: String,
        /// Whose.
        image: String,
    },
    /// What was being done when something failed, in the originals' words.
    #[error("{doing}")]
    Doing {
        /// As in "listing containers".
        doing: String,
        /// Why it failed.
        #[source]
        source: Box<Error>,
    },
    /// A CRI runtime's, or that it can't be reached.
    #[error(transparent)]
    Cri(#[from] isopod_cri_client::CallError),
    /// A CRI runtime's streams.
    #[error(transparent)]
    Stream(#[from] isopod_streaming::client::ClientError),
    /// A container's log.
    #[error(transparent)]
    Log(#[from] isopod_cri_client::logs::LogError),
    /// The session's reader was too slow, and the container was not held up for it.
    #[error("output of {0} is lost: it came faster than it was read, and the session was ended")]
    Lagged(String),
}

impl Error {
    /// For `map_err` on parsers whose errors name the value.
    pub fn argument(error: impl std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            write!(text, ": {error}").ok();
            source = error.source();
        }
        Self::Argument(text)
    }

    /// For `map_err` on what writes an archive to standard output: a reader that left is no failure to
    /// talk about.
    pub fn archive(error: isopod_runtime::Error) -> Self {
        match &error {
            isopod_runtime::Error::Io { source, .. }
                if source.kind() == io::ErrorKind::BrokenPipe =>
            {
                Self::Output(source.kind().into())
            }
            _ => error.into(),
        }
    }

    /// For `map_err`: says before the error what failed.
    pub fn doing<E: Into<Self>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |error| Self::Doing { doing, source: Box::new(error.into()) }
    }

    /// For `map_err` on files that the command line named.
    pub fn file(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { action, path, source }
    }

    /// The line after the program's name: this error and what caused it.
    #[must_use]
    pub fn line(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            // Writing to a String can't fail.
            write!(text, ": {error}").ok();
            source = error.source();
        }
        text
    }

    /// What would help, if we know; `program` is how the user called this command line.
    #[must_use]
    pub fn hint(&self, program: &str) -> Option<String> {
        match self {
            Self::Usage { command, .. } => Some(format!("see `{command} --help`")),
            Self::Refused(_) => Some("docs/differences.md lists what is not supported".to_owned()),
            Self::Unbuilt(_) => Some(
                "this release has: docker-like commands (`isopod run …`), `isopod crictl …`, `isopod ctr …`, `isopod runc …`"
                    .into(),
            ),
            Self::NotRoot(_) => Some("try it with sudo".to_owned()),
            Self::Runtime(error) => runtime_hint(error, program),
            Self::Doing { source, .. } => source.hint(program),
            Self::Cri(error) => cri_hint(error).map(str::to_owned),
            _ => None,
        }
    }

    /// The exit status, where `failure` is the command's own for an ordinary failure.
    #[must_use]
    pub fn status(&self, failure: u8, usage: u8) -> u8 {
        match self {
            // docker's client looks for the = and no further: what a filter means its daemon is asked.
            Self::Value { what: "--filter", value, .. } if value.contains('=') => failure,
            Self::Usage { .. }
            | Self::Value { .. }
            | Self::Argument(_)
            | Self::Refused(_)
            | Self::Config(_) => usage,
            Self::Unbuilt(_) => TOOL_FAILED,
            Self::Doing { source, .. } => source.status(failure, usage),
            Self::NotExecuted(_) => NOT_EXECUTABLE,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => READER_LEFT,
            Self::Runtime(error) => match error.kind() {
                ErrorKind::CommandNotFound => NOT_FOUND,
                ErrorKind::CommandNotExecutable => NOT_EXECUTABLE,
                _ => failure,
            },
            _ => failure,
        }
    }

    /// Nobody is left to read about it.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

fn cri_hint(error: &isopod_cri_client::CallError) -> Option<&'static str> {
    use isopod_cri_client::{CallError, Code};
    match error {
        CallError::Connect { .. } => Some(
            "is the runtime running, and may you reach it? -r, CONTAINER_RUNTIME_ENDPOINT or \
             /etc/crictl.yaml says where it is",
        ),
        CallError::Late(_) => Some("-t gives it more time; what was asked for may have been done"),
        CallError::Status(status) => (status.code() == Code::Unimplemented)
            .then_some("this runtime does not offer that: `version` says which one it is"),
    }
}

fn runtime_hint(error: &isopod_runtime::Error, program: &str) -> Option<String> {
    use isopod_runtime::Error as Runtime;
    let is_ctr = program.ends_with("ctr");
    let listing = match error {
        Runtime::NotFound { what: "image", .. } if is_ctr => Some("images ls"),
        Runtime::NotFound { what: "image", .. } => Some("images"),
        Runtime::NotFound { what: "container", .. } if is_ctr => Some("containers ls"),
        Runtime::NotFound { what: "container", .. } => Some("ps -a"),
        _ => None,
    };
    if let Some(listing) = listing {
        let of_namespace =
            if listing == "images" || listing == "images ls" { "" } else { ", in this namespace" };
        return Some(format!("`{program} {listing}` lists what is there{of_namespace}"));
    }
    let text = match error {
        Runtime::AlreadyExists { what, .. } if what.starts_with("container") => {
            "remove that container first, or choose another name"
        }
        _ => match error.kind() {
            ErrorKind::PermissionDenied => "this needs root and a writable --root and --state",
            ErrorKind::Unauthorized => {
                "credentials are read from ~/.docker/config.json and \
                 containers/auth.json; is the name right?"
            }
            ErrorKind::Unreachable => {
                "a mirror can be configured in /etc/isopod/certs.d/<host>/hosts.toml"
            }
            ErrorKind::NoSpace => "remove images that no container uses, or choose another --root",
            _ => return None,
        },
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_command_line_in_use() {
        let missing =
            |what| Error::from(isopod_runtime::Error::NotFound { what, name: "x".to_owned() });
        for (program, what, hint) in [
            ("docker", "container", "`docker ps -a` lists what is there, in this namespace"),
            ("isopod", "image", "`isopod images` lists what is there"),
            ("ctr", "image", "`ctr images ls` lists what is there"),
            (
                "isopod ctr",
                "container",
                "`isopod ctr containers ls` lists what is there, in this namespace",
            ),
        ] {
            assert_eq!(missing(what).hint(program).as_deref(), Some(hint));
        }
        assert_eq!(missing("volume").hint("docker"), None);
    }

    #[test]
    fn a_line_holds_the_error_and_its_causes() {
        let error = Error::File {
            action: "read",
            path: "env.list".into(),
            source: io::Error::from(io::ErrorKind::NotFound),
        };
        assert_eq!(error.line(), "cannot read env.list: entity not found");
    }

    #[test]
    fn a_reader_that_left_is_no_failure_to_talk_about() {
        let error = Error::Output(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(error.is_quiet());
        assert_eq!(error.status(1, 125), 141);
    }

    /// docker's own: `ps -f nosuch=1` is an error of the daemon's (1), `ps -f name` one of the flag's (125).
    #[test]
    fn a_filter_that_is_none_is_an_ordinary_failure() {
        let filter = |value: &str| Error::Value {
            what: "--filter",
            value: value.to_owned(),
            reason: String::new(),
        };
        assert_eq!(filter("nosuch=1").status(1, 125), 1);
        assert_eq!(filter("name").status(1, 125), 125);
    }

    #[test]
    fn missing_and_forbidden_commands_have_statuses_of_their_own() {
        let missing = isopod_runtime::Error::CommandNotFound("x".into());
        let forbidden = isopod_runtime::Error::CommandNotExecutable("x".into());
        assert_eq!(Error::from(missing).status(1, 125), 127);
        assert_eq!(Error::from(forbidden).status(125, 125), 126);
    }
}

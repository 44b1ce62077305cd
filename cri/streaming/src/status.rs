//! What goes over the error channel: how the command ended. From version 4 on a `Status` of the Kubernetes API
//! (`k8s.io/apimachinery/pkg/apis/meta/v1`), before that a sentence if it failed.

use serde::{Deserialize, Serialize};

use crate::protocol::Version;

const EXIT_CODE: &str = "ExitCode";
const NON_ZERO: &str = "NonZeroExitCode";

/// How a command, or an attachment, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With exit status 0; or the attachment has ended.
    Success,
    /// With another exit status.
    Exited(i32),
    /// Not by itself: it couldn't be started, or its streams broke. In words.
    Failed(String),
}

#[derive(Serialize, Deserialize)]
struct Status {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    status: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
}

#[derive(Default, Serialize, Deserialize)]
struct Metadata {}

#[derive(Serialize, Deserialize)]
struct Details {
    #[serde(default)]
    causes: Vec<Cause>,
}

#[derive(Serialize, Deserialize)]
struct Cause {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
}

impl Outcome {
    /// What is written to the error channel; none: it is ended without a word.
    pub(crate) fn encode(&self, version: Version) -> Option<Vec<u8>> {
        if version < Version::V4 {
            return match self {
                Self::Success => None,
                other => Some(other.message().into_bytes()),
            };
        }
        let cause = |reason: &str, message: String| {
            Some(Details { causes: vec![Cause { reason: reason.to_owned(), message }] })
        };
        let (reason, details, code) = match self {
            Self::Success => (String::new(), None, None),
            Self::Exited(code) => (NON_ZERO.to_owned(), cause(EXIT_CODE, code.to_string()), None),
            Self::Failed(why) => ("InternalError".to_owned(), cause("", why.clone()), Some(500)),
        };
        let status = Status {
            metadata: Metadata {},
            status: if *self == Self::Success { "Success" } else { "Failure" }.to_owned(),
            message: self.message(),
            reason,
            details,
            code,
        };
        serde_json::to_vec(&status).ok()
    }

    fn message(&self) -> String {
        match self {
            Self::Success => String::new(),
            Self::Exited(code) => {
                format!("command terminated with non-zero exit code: exit status {code}")
            }
            Self::Failed(why) => format!("Internal error occurred: {why}"),
        }
    }

    /// Reads what came over an error channel until its end.
    pub(crate) fn decode(bytes: &[u8], version: Version) -> Self {
        let text = || String::from_utf8_lossy(bytes).trim().to_owned();
        if bytes.is_empty() {
            return Self::Success;
        }
        if version < Version::V4 {
            return Self::Failed(text());
        }
        let Ok(status) = serde_json::from_slice::<Status>(bytes) else {
            return Self::Failed(format!("the server's answer is no status: {}", text()));
        };
        if status.status == "Success" {
            return Self::Success;
        }
        if status.reason == NON_ZERO {
            let causes = status.details.map(|details| details.causes).unwrap_or_default();
            let code = causes.iter().find(|cause| cause.reason == EXIT_CODE);
            if let Some(code) = code.and_then(|cause| cause.message.parse().ok()) {
                return Self::Exited(code);
            }
        }
        Self::Failed(status.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As containerd's server writes them.
    const EXITED: &str = r#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status 3","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;
    const SUCCESS: &str = r#"{"metadata":{},"status":"Success"}"#;
    const FAILED: &str = r#"{"metadata":{},"status":"Failure","message":"Internal error occurred: no such container","reason":"InternalError","details":{"causes":[{"message":"no such container"}]},"code":500}"#;

    #[test]
    fn outcomes_are_written_as_gos_servers_write_them() {
        for (outcome, expected) in [
            (Outcome::Success, SUCCESS),
            (Outcome::Exited(3), EXITED),
            (Outcome::Failed("no such container".to_owned()), FAILED),
        ] {
            let written = outcome.encode(Version::V4).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
        assert_eq!(Outcome::Success.encode(Version::V3), None);
        let plain = Outcome::Exited(3).encode(Version::V2).unwrap();
        assert_eq!(plain, b"command terminated with non-zero exit code: exit status 3");
    }

    #[test]
    fn outcomes_are_read_as_gos_clients_read_them() {
        assert_eq!(Outcome::decode(b"", Version::V4), Outcome::Success);
        assert_eq!(Outcome::decode(SUCCESS.as_bytes(), Version::V5), Outcome::Success);
        assert_eq!(Outcome::decode(EXITED.as_bytes(), Version::V4), Outcome::Exited(3));
        let failed = Outcome::Failed("Internal error occurred: no such container".to_owned());
        assert_eq!(Outcome::decode(FAILED.as_bytes(), Version::V4), failed);
        assert_eq!(Outcome::decode(b"no\n", Version::V1), Outcome::Failed("no".to_owned()));
    }
}

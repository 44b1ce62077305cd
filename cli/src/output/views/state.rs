//! A container's state in the words of docker and of ctr.

use chrono::{DateTime, Utc};

use crate::output::time;

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has never been started.
    Created,
    /// Its launcher is at work.
    Starting,
    /// It runs.
    Running {
        /// Since when.
        since: Option<DateTime<Utc>>,
    },
    /// It is frozen.
    Paused {
        /// When it was started.
        since: Option<DateTime<Utc>>,
    },
    /// It has ended, and is about to be started again.
    Restarting {
        /// Its last status.
        code: i32,
        /// When it ended.
        at: Option<DateTime<Utc>>,
    },
    /// It has ended.
    Exited {
        /// Its status.
        code: i32,
        /// When.
        at: Option<DateTime<Utc>>,
    },
    /// It could not be started.
    Failed {
        /// The status that stands for it.
        code: i32,
        /// When.
        at: Option<DateTime<Utc>>,
    },
}

impl State {
    /// docker's word (`.State`, `--filter status=`).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Created | Self::Starting | Self::Failed { .. } => "created",
            Self::Running { .. } => "running",
            Self::Paused { .. } => "paused",
            Self::Restarting { .. } => "restarting",
            Self::Exited { .. } => "exited",
        }
    }

    /// containerd's word for its task.
    #[must_use]
    pub fn task_word(self) -> &'static str {
        match self {
            Self::Created | Self::Starting => "CREATED",
            Self::Running { .. } => "RUNNING",
            Self::Paused { .. } => "PAUSED",
            Self::Restarting { .. } | Self::Exited { .. } | Self::Failed { .. } => "STOPPED",
        }
    }

    /// docker's STATUS column: `Up 3 seconds`, `Exited (0) 2 minutes ago`.
    #[must_use]
    pub fn status(self, now: DateTime<Utc>) -> String {
        let up = |since: Option<DateTime<Utc>>| match since {
            Some(since) => format!("Up {}", time::human(now - since)),
            None => "Up".to_owned(),
        };
        match self {
            Self::Created | Self::Starting | Self::Failed { .. } => "Created".to_owned(),
            Self::Running { since } => up(since),
            Self::Paused { since } => format!("{} (Paused)", up(since)),
            Self::Restarting { code, at: Some(at) } => {
                format!("Restarting ({code}) {}", time::ago(at, now))
            }
            Self::Restarting { code, at: None } => format!("Restarting ({code})"),
            Self::Exited { code, at: Some(at) } => {
                format!("Exited ({code}) {}", time::ago(at, now))
            }
            Self::Exited { code, at: None } => format!("Exited ({code})"),
        }
    }

    /// Whether it has processes, or is about to have some.
    #[must_use]
    pub fn is_alive(self) -> bool {
        matches!(
            self,
            Self::Starting | Self::Running { .. } | Self::Paused { .. } | Self::Restarting { .. }
        )
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn exit_code(self) -> Option<i32> {
        match self {
            Self::Restarting { code, .. }
            | Self::Exited { code, .. }
            | Self::Failed { code, .. } => Some(code),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_read_as_dockers() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let now = at(1000).unwrap();
        assert_eq!(State::Created.status(now), "Created");
        assert_eq!(State::Running { since: at(997) }.status(now), "Up 3 seconds");
        assert_eq!(State::Paused { since: at(880) }.status(now), "Up 2 minutes (Paused)");
        assert_eq!(
            State::Exited { code: 137, at: at(990) }.status(now),
            "Exited (137) 10 seconds ago"
        );
        assert_eq!(State::Running { since: at(1000) }.status(now), "Up Less than a second");
    }
}

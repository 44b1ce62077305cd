//! `doctor`: what the kernel and this machine offer, and what is missing for which feature.
//!
//! One room a subject, in the table [`EXAMINATIONS`]; each says what it saw, what depends on it and what to do. Nothing is
//! changed: what must be tried is tried in a network namespace of its own, or in a folder that goes again.

mod cgroups;
mod kernel;
mod limits;
mod network;
mod privileges;
mod security;
mod storage;
mod users;

pub(crate) use storage::PROBE;

use std::path::PathBuf;

use serde::Serialize;

/// What is examined.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The data folder; it need not be there.
    pub root: PathBuf,
    /// The state folder; it need not be there.
    pub state: PathBuf,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Something works less well, or not at all that few need.
    Limited,
    /// A feature is not there.
    Missing,
}

impl Verdict {
    /// A word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Missing => "missing",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checkup {
    /// The subject, as in `storage`.
    pub subject: &'static str,
    /// What, as in `overlayfs`.
    pub name: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub detail: String,
    /// What needs it.
    pub feature: &'static str,
    /// What would help; empty where nothing need be done.
    pub advice: String,
    /// Whether no container runs without it.
    pub is_needed: bool,
}

impl Checkup {
    /// One that is as it should be.
    #[must_use]
    pub fn ok(subject: &'static str, name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            subject,
            name: name.into(),
            verdict: Verdict::Ok,
            detail: detail.into(),
            feature: "",
            advice: String::new(),
            is_needed: false,
        }
    }

    /// What depends on it.
    #[must_use]
    pub fn of(mut self, feature: &'static str) -> Self {
        self.feature = feature;
        self
    }

    /// No container runs without it.
    #[must_use]
    pub fn needed(mut self) -> Self {
        self.is_needed = true;
        self
    }

    /// It is another than it should be, and what would help.
    #[must_use]
    pub fn but(mut self, verdict: Verdict, advice: impl Into<String>) -> Self {
        self.verdict = verdict;
        self.advice = advice.into();
        self
    }

    /// Whether containers can't run because of it.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.is_needed && self.verdict == Verdict::Missing
    }
}

type Examination = fn(&Machine) -> Vec<Checkup>;

/// In the order in which they are told.
const EXAMINATIONS: &[Examination] = &[
    kernel::examine,
    privileges::examine,
    storage::examine,
    cgroups::examine,
    security::examine,
    users::examine,
    network::examine,
    limits::examine,
];

/// Looks at everything.
#[must_use]
pub fn examine(machine: &Machine) -> Vec<Checkup> {
    EXAMINATIONS.iter().flat_map(|examination| examination(machine)).collect()
}

/// A file's text without what is around it; `None` where it can't be read.
fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// A number in a file.
fn number(path: &str) -> Option<u64> {
    read(path)?.parse().ok()
}

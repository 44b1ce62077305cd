//! Which command line this process is: by the name it was started under, or by its
//! first argument (`conventions`: `isopod ctr …` is the same as a link named `ctr`).

use std::ffi::OsStr;
use std::path::Path;

/// A command line that the binary stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personality {
    /// `isopod …`, and under the names of docker and nerdctl.
    Docker,
    /// containerd's low-level tool.
    Ctr,
    /// The client of CRI runtimes.
    Crictl,
    /// The OCI runtime that engines call.
    Runc,
    /// Known and not built yet.
    Unbuilt(&'static str),
}

/// Names of links and first arguments.
const NAMES: &[(&str, Personality)] = &[
    ("ctr", Personality::Ctr),
    ("nerdctl", Personality::Docker),
    ("docker", Personality::Docker),
    ("crictl", Personality::Crictl),
    ("kubectl", Personality::Unbuilt("kubectl")),
    ("kind", Personality::Unbuilt("kind")),
    ("runc", Personality::Runc),
];

impl Personality {
    /// The personality and how many leading arguments (the program's name first) chose it.
    #[must_use]
    pub fn of(program: Option<&OsStr>, first: Option<&OsStr>) -> (Self, usize) {
        let link = program.and_then(|p| Path::new(p).file_name()).and_then(named);
        if let Some(personality) = link {
            return (personality, 1);
        }
        match first.and_then(named) {
            Some(personality) => (personality, 2),
            None => (Self::Docker, 1),
        }
    }

    /// Whether it is a client of other programs only, which needs neither a store nor its configuration.
    #[must_use]
    pub fn is_client(self) -> bool {
        self == Self::Crictl
    }

    /// The name before the colon of its error messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "isopod",
            Self::Ctr => "ctr",
            Self::Crictl => "crictl",
            Self::Runc => "runc",
            Self::Unbuilt(name) => name,
        }
    }
}

fn named(name: &OsStr) -> Option<Personality> {
    NAMES.iter().find(|(known, _)| name == *known).map(|(_, personality)| *personality)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(program: &str, first: Option<&str>) -> (Personality, usize) {
        Personality::of(Some(OsStr::new(program)), first.map(OsStr::new))
    }

    #[test]
    fn a_link_name_wins_over_the_first_argument() {
        assert_eq!(of("/usr/local/bin/ctr", Some("kind")), (Personality::Ctr, 1));
        assert_eq!(of("nerdctl", Some("run")), (Personality::Docker, 1));
    }

    #[test]
    fn the_first_argument_chooses_under_our_own_name() {
        assert_eq!(of("isopod", Some("ctr")), (Personality::Ctr, 2));
        assert_eq!(of("isopod", Some("kind")), (Personality::Unbuilt("kind"), 2));
        assert_eq!(of("isopod", Some("run")), (Personality::Docker, 1));
        assert_eq!(of("isopod-1.0", None), (Personality::Docker, 1));
    }
}

//! Named moments at which a test may kill this process, hold it, or only note that it came by.
//!
//! Builds for users have none of this: without `debug_assertions` and without the feature `steps` (which
//! only the monitor of a debug build is given) [`step`] is an empty function. `docs/crashes.md` lists
//! the names.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The variable with a [`Plan`]'s deed: `NAME[:NTH[:stop]]`. Whoever may read the environment does.
pub const DEED: &str = "ISOPOD_STEP";
/// The variable with a [`Plan`]'s log.
pub const LOG: &str = "ISOPOD_STEP_LOG";

/// What is to happen at the steps of this process, and of those that it starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is done at one of them.
    pub deed: Option<Deed>,
    /// A file to which each process adds a line `PID NAME` for each step it comes by.
    pub log: Option<PathBuf>,
}

/// The end of a process at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The step's name.
    pub name: String,
    /// When a process comes by for the so-manieth time, from 1.
    pub nth: u32,
    /// Only stopped (`SIGSTOP`), not killed.
    pub stop: bool,
}

/// A deed that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no step: write NAME, NAME:NTH or NAME:NTH:stop")]
pub struct NoDeed(String);

impl FromStr for Deed {
    type Err = NoDeed;

    fn from_str(text: &str) -> Result<Self, NoDeed> {
        let wrong = || NoDeed(text.to_owned());
        let mut parts = text.split(':');
        let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(wrong)?.to_owned();
        let nth = parts.next().map_or(Ok(1), str::parse).map_err(|_| wrong())?;
        let stop = match (parts.next(), parts.next()) {
            (None, _) => false,
            (Some("stop"), None) => true,
            _ => return Err(wrong()),
        };
        if nth == 0 { Err(wrong()) } else { Ok(Self { name, nth, stop }) }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, nth, stop } = self;
        write!(f, "{name}:{nth}{}", if *stop { ":stop" } else { "" })
    }
}

impl Plan {
    /// Nothing is done and nothing noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deed.is_none() && self.log.is_none()
    }

    /// As two lines, for a process that has no environment.
    #[must_use]
    pub fn to_text(&self) -> String {
        let deed = self.deed.as_ref().map(Deed::to_string).unwrap_or_default();
        let log = self.log.as_deref().unwrap_or("".as_ref()).display();
        format!("{deed}\n{log}\n")
    }

    /// From [`Plan::to_text`]'s two lines, or the two variables' values.
    ///
    /// # Errors
    /// [`NoDeed`].
    pub fn parse(deed: &str, log: &str) -> Result<Self, NoDeed> {
        let deed = if deed.is_empty() { None } else { Some(deed.parse()?) };
        let log = (!log.is_empty()).then(|| PathBuf::from(log));
        Ok(Self { deed, log })
    }
}

/// Makes the moment `name` known. Costs nothing in what users run.
#[cfg(not(any(debug_assertions, feature = "steps")))]
#[inline(always)]
pub fn step(_name: &'static str) {}

/// There are no steps in this build.
#[cfg(not(any(debug_assertions, feature = "steps")))]
#[must_use]
pub fn install(_plan: Plan) -> bool {
    false
}

/// There are no steps in this build.
#[cfg(not(any(debug_assertions, feature = "steps")))]
#[must_use]
pub fn installed() -> Option<&'static Plan> {
    None
}

#[cfg(any(debug_assertions, feature = "steps"))]
pub use planned::{install, installed, step};

#[cfg(any(debug_assertions, feature = "steps"))]
mod planned {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::{Deed, Plan};

    static PLAN: OnceLock<Plan> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);

    /// Sets what is to happen; once a process. Whether this build has steps at all.
    #[must_use]
    pub fn install(plan: Plan) -> bool {
        PLAN.set(plan).ok();
        true
    }

    /// What was set, to be handed to processes that are started.
    #[must_use]
    pub fn installed() -> Option<&'static Plan> {
        PLAN.get().filter(|plan| !plan.is_empty())
    }

    /// Makes the moment `name` known.
    pub fn step(name: &'static str) {
        let Some(plan) = PLAN.get() else { return };
        if let Some(log) = &plan.log {
            let line = format!("{} {name}\n", std::process::id());
            let opened = OpenOptions::new().append(true).create(true).open(log);
            // Something of a container's may see another root: its steps are not noted.
            opened.and_then(|mut file| file.write_all(line.as_bytes())).ok();
        }
        if let Some(deed) = plan.deed.as_ref().filter(|deed| deed.name == name) {
            act(deed);
        }
    }

    fn act(deed: &Deed) {
        if PASSED.fetch_add(1, Ordering::SeqCst) + 1 != deed.nth {
            return;
        }
        let signal = if deed.stop { Signal::STOP } else { Signal::KILL };
        kill_process(getpid(), signal).ok();
        // Signals take effect on the way back from the kernel, on one thread or another.
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_is_a_name_a_number_and_a_word() {
        let deed = |name: &str, nth, stop| Ok(Deed { name: name.to_owned(), nth, stop });
        assert_eq!("blob.renamed".parse(), deed("blob.renamed", 1, false));
        assert_eq!("blob.renamed:3".parse(), deed("blob.renamed", 3, false));
        assert_eq!("blob.renamed:2:stop".parse(), deed("blob.renamed", 2, true));
        for wrong in ["", ":1", "a:0", "a:x", "a:1:go", "a:1:stop:more"] {
            assert!(wrong.parse::<Deed>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_plan_survives_its_text() {
        for (deed, log) in [("", ""), ("a.b:2", "/tmp/log"), ("a.b:1:stop", ""), ("", "/x")] {
            let plan = Plan::parse(deed, log).unwrap();
            let text = plan.to_text();
            let mut lines = text.lines();
            let parts = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
            assert_eq!(Plan::parse(parts.0, parts.1).unwrap(), plan);
        }
    }
}

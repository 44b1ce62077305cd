//! What was found, and how each finding is mended.

use serde::Serialize;

use super::kinds::Kind;
use crate::{Result, Runtime};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind's code.
    pub code: &'static str,
    /// With what: a digest, a name, a path.
    pub object: String,
    /// What is wrong with it.
    pub detail: String,
    /// What a repair does; `None` where only a person can help.
    pub repair: Option<&'static str>,
    /// What a person should do, if something.
    pub advice: Option<String>,
    /// Why a repair did not succeed.
    pub failure: Option<String>,
}

/// Mends one finding, after a look, under the locks that this takes, at whether it is still so.
pub(super) type Mend = Box<dyn FnOnce(&Runtime) -> Result<()>>;

/// A finding, and what mends it.
pub(super) struct Found {
    pub finding: Finding,
    pub mend: Option<Mend>,
}

impl Found {
    /// What a person should do.
    pub(super) fn advise(&mut self, advice: impl Into<String>) -> &mut Self {
        self.finding.advice = Some(advice.into());
        self
    }

    /// How it is mended.
    pub(super) fn mend(
        &mut self,
        mend: impl FnOnce(&Runtime) -> Result<()> + 'static,
    ) -> &mut Self {
        self.mend = Some(Box::new(mend));
        self
    }

    /// It can't be mended now, though its kind can.
    pub(super) fn leave(&mut self) -> &mut Self {
        self.finding.repair = None;
        self.mend = None;
        self
    }
}

/// All of one look.
#[derive(Default)]
pub(super) struct Findings {
    pub found: Vec<Found>,
    /// What could not be looked at, and why.
    pub unchecked: Vec<String>,
}

impl Findings {
    /// Adds one.
    pub(super) fn add(
        &mut self,
        kind: &'static Kind,
        object: impl Into<String>,
        detail: impl Into<String>,
    ) -> &mut Found {
        let finding = Finding {
            code: kind.code,
            object: object.into(),
            detail: detail.into(),
            repair: kind.repair,
            advice: None,
            failure: None,
        };
        self.found.push(Found { finding, mend: None });
        self.found.last_mut().expect("one was put there")
    }
}

//! `fsck`: looks at everything that an instance has on disk and in the kernel, names what is not as it should be, and
//! mends what can be mended without losing anything that is not lost already.
//!
//! - [`kinds`] is the table of codes; [`finding`] what is found, with what mends it;
//! - `ground`: what must be right before anything else can be looked at: the layout's version and the database;
//! - one room a kind of object: `folders`, `rows`, `content`, `images`, `layers`, `snapshots`, `containers`, `volumes`,
//!   `networks`, `kernel`, `journal`;
//! - [`aside`]: where a repair puts what it takes out of the store.
//!
//! A look takes no locks that others would wait for, and believes only what it has seen twice with a pause in between:
//! what a running command has begun is no damage. A repair looks once more at each finding under the locks that
//! the commands take, and never touches what a living monitor, command or lease holds. Two repairs come one after
//! the other.

mod aside;
mod containers;
mod content;
mod finding;
mod folders;
mod ground;
mod images;
mod journal;
mod kernel;
pub mod kinds;
mod layers;
mod look;
mod networks;
mod rows;
mod snapshots;
mod thorough;
mod volumes;

pub use finding::Finding;
pub(crate) use volumes::put_volume_aside;

use std::collections::BTreeSet;
use std::time::Duration;

use isopod_sys::lock::Lock;
use serde::Serialize;

use crate::config::Config;
use crate::error::words;
use crate::layout::Layout;
use crate::{Error, Result, Runtime};

use finding::{Findings, Found};
use look::{Look, Verified};

/// Between the two looks that a finding needs.
const PAUSE: Duration = Duration::from_millis(300);

/// How often what a repair uncovered is looked at and mended in turn.
const ROUNDS: usize = 5;

/// How to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Mend what can be mended.
    pub repair: bool,
    /// Believe the bytes of blobs, and look at their names and sizes alone.
    pub quick: bool,
    /// Unpack every layer again, and compare.
    pub thorough: bool,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was wrong and is mended.
    pub mended: Vec<Finding>,
    /// What is wrong.
    pub left: Vec<Finding>,
    /// What could not be looked at, and why.
    pub unchecked: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong (any more).
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.left.is_empty() && self.unchecked.is_empty()
    }
}

type Check = fn(&Look<'_>, &mut Findings) -> Result<()>;

/// One a room, in this order: what others rely on comes first.
const CHECKS: &[(&str, Check)] = &[
    ("folders", folders::check),
    ("rows", rows::check),
    ("content", content::check),
    ("images", images::check),
    ("layers", layers::check),
    ("layers' files", thorough::check),
    ("snapshots", snapshots::check),
    ("volumes", volumes::check),
    ("containers", containers::check),
    ("networks", networks::check),
    ("mounts and cgroups", kernel::check),
    ("the journal", journal::check),
];

/// Those that judge nothing by what is not in the database.
const WITHOUT_ROWS: &[&str] = &["folders", "rows", "content", "images", "the journal"];

/// Looks at the instance that `config` describes. Without [`Options::repair`] nothing is changed; where there is no
/// instance, there is nothing wrong.
///
/// # Errors
/// A newer release wrote it; the folders can't be read (no root: [`crate::ErrorKind::PermissionDenied`]).
pub fn check(config: Config, options: Options) -> Result<Report> {
    let layout = Layout::new(config.root.clone(), config.state.clone());
    let mut report = Report::default();
    if ground::is_nothing(&layout) {
        return Ok(report);
    }
    let _alone = options.repair.then(|| lock(&layout)).transpose()?;
    ground::check(&layout, options, &mut report)?;
    if !report.left.is_empty() {
        report.unchecked.push("everything that the database tells".to_owned());
        return Ok(report);
    }
    let runtime = Runtime::open_as_it_is(config)?;
    let verified = Verified::default();
    let mut seen = BTreeSet::new();
    for round in 1.. {
        let findings = confirmed(&runtime, options, &verified)?;
        report.left.clear();
        report.unchecked = findings.unchecked;
        let may_mend = options.repair && round <= ROUNDS;
        let before = report.mended.len();
        for Found { mut finding, mend } in findings.found {
            let is_new = seen.insert((finding.code, finding.object.clone()));
            match mend.filter(|_| may_mend && is_new) {
                None => {
                    if options.repair && finding.repair.is_some() && !is_new {
                        finding
                            .failure
                            .get_or_insert_with(|| "it is so again after the repair".to_owned());
                    }
                    report.left.push(finding);
                }
                Some(mend) => match mend(&runtime) {
                    Ok(()) => report.mended.push(finding),
                    Err(error) => {
                        finding.failure = Some(words(&error));
                        report.left.push(finding);
                    }
                },
            }
        }
        if report.mended.len() == before {
            break;
        }
        // One that was replaced is not what was compared.
        verified.layers.borrow_mut().retain(|_, verdict| verdict.is_none());
    }
    Ok(report)
}

/// What two looks agree on.
fn confirmed(runtime: &Runtime, options: Options, verified: &Verified) -> Result<Findings> {
    let first = look(runtime, options, verified)?;
    if first.found.is_empty() {
        return Ok(first);
    }
    let before: BTreeSet<_> =
        first.found.iter().map(|f| (f.finding.code, f.finding.object.clone())).collect();
    drop(first);
    std::thread::sleep(PAUSE);
    let mut second = look(runtime, options, verified)?;
    second.found.retain(|f| before.contains(&(f.finding.code, f.finding.object.clone())));
    Ok(second)
}

fn look(runtime: &Runtime, options: Options, verified: &Verified) -> Result<Findings> {
    let look = Look::new(runtime, options, verified)?;
    let mut findings = Findings::default();
    let is_known = look.rows.broken.is_empty();
    for (what, check) in CHECKS {
        // What a row stood for that can't be read would be taken for somebody's leftover.
        if !is_known && !WITHOUT_ROWS.contains(what) {
            findings.unchecked.push(format!("{what}: rows that can't be read come first"));
            continue;
        }
        if let Err(error) = check(&look, &mut findings) {
            findings.unchecked.push(format!("{what}: {}", words(&error)));
        }
    }
    Ok(findings)
}

fn lock(layout: &Layout) -> Result<Lock> {
    let path = layout.root().join("fsck.lock");
    Lock::exclusive(&path).map_err(Error::io("cannot lock", &path))
}

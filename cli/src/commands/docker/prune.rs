//! What every `prune` shares: its flags, the question before it, its filters, and what it says at the end.
//!
//! A noun's `prune.rs` has an `Args` with [`PruneArgs`] flattened into it, and a public
//! `prune(context, &Filters, …) -> Result<Pruned, Error>`, which `system prune` calls too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead};

use chrono::{DateTime, Utc};

use crate::commands::Status;
use crate::context::Context;
use crate::error::Error;
use crate::output::{time, units};

/// The flags of every `prune`.
#[derive(Debug, clap::Args)]
pub struct PruneArgs {
    /// Only what fits (label=KEY[=VALUE], label!=KEY[=VALUE], until=TIME)
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Don't ask
    #[arg(short, long)]
    pub force: bool,
}

impl PruneArgs {
    /// Asks first unless told not to, has `prune` do it, and says what went; with `total` also how much that was.
    ///
    /// # Errors
    /// Those of `prune`; standard input can't be read, or output not written.
    pub fn carry_out(
        &self,
        context: &Context,
        warning: &str,
        total: bool,
        prune: impl FnOnce() -> Result<Vec<Pruned>, Error>,
    ) -> Result<Status, Error> {
        if !self.force && !is_confirmed(context, warning)? {
            return Ok(0);
        }
        finish(context, &prune()?, total)
    }
}

/// What `--filter` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filters {
    until: Option<DateTime<Utc>>,
    labels: Vec<Label>,
    unlabels: Vec<Label>,
    others: BTreeMap<String, String>,
}

type Label = (String, Option<String>);

impl Filters {
    /// Parses `key=value` each; `known` are the keys that this command has, `label` for `label!` too.
    ///
    /// # Errors
    /// No such filter, or a value that can't be.
    pub fn parse(texts: &[String], known: &[&str]) -> Result<Self, Error> {
        Self::parse_at(texts, known, Utc::now())
    }

    fn parse_at(texts: &[String], known: &[&str], now: DateTime<Utc>) -> Result<Self, Error> {
        let mut filters = Self::default();
        for text in texts {
            filters.add(text, known, now).map_err(|reason| Error::Value {
                what: "--filter",
                value: text.clone(),
                reason,
            })?;
        }
        Ok(filters)
    }

    fn add(&mut self, text: &str, known: &[&str], now: DateTime<Utc>) -> Result<(), String> {
        let (key, value) = text.split_once('=').ok_or("it has no =")?;
        if !known.contains(&key.trim_end_matches('!')) {
            return Err(format!("filters are {}", known.join(", ")));
        }
        match key {
            "until" if self.until.is_some() => return Err("until can be given once".to_owned()),
            "until" => {
                let point = time::parse_point(value, now);
                self.until = Some(point.ok_or("it is neither a time nor a duration")?);
            }
            "label" => self.labels.push(label(value)),
            "label!" => self.unlabels.push(label(value)),
            key if key.ends_with('!') => return Err("only label can be denied".to_owned()),
            key => {
                self.others.insert(key.to_owned(), value.to_owned());
            }
        }
        Ok(())
    }

    /// Whether something created then, with these labels, may go.
    #[must_use]
    pub fn fit(&self, created: DateTime<Utc>, labels: &BTreeMap<String, String>) -> bool {
        let has = |(key, value): &Label| {
            labels.get(key).is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        // docker spares only what has all of the denied labels.
        let is_spared = !self.unlabels.is_empty() && self.unlabels.iter().all(has);
        self.until.is_none_or(|until| created <= until) && self.labels.iter().all(has) && !is_spared
    }

    /// The last value of another key than `until` and `label`.
    #[must_use]
    pub fn other(&self, key: &str) -> Option<&str> {
        self.others.get(key).map(String::as_str)
    }

    /// Whether there is an `until`.
    #[must_use]
    pub fn has_until(&self) -> bool {
        self.until.is_some()
    }
}

fn label(text: &str) -> Label {
    match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}

/// What went.
#[derive(Debug, Default)]
pub struct Pruned {
    /// As in "Deleted Volumes".
    pub title: &'static str,
    /// A line each.
    pub removed: Vec<String>,
    /// Bytes of disk that are free now.
    pub reclaimed: u64,
    /// What could not be removed, and why.
    pub failed: Vec<Error>,
}

impl Pruned {
    /// Nothing yet, under this title.
    #[must_use]
    pub fn new(title: &'static str) -> Self {
        Self { title, ..Self::default() }
    }

    /// The title and its lines with an empty one after them; nothing where nothing went.
    #[must_use]
    pub fn text(&self) -> String {
        if self.removed.is_empty() {
            return String::new();
        }
        let mut text = format!("{}:\n", self.title);
        for line in &self.removed {
            // Writing to a String can't fail.
            writeln!(text, "{line}").ok();
        }
        text + "\n"
    }
}

/// Says what went and, with `total`, how much that was; failures decide the status.
fn finish(context: &Context, pruned: &[Pruned], total: bool) -> Result<Status, Error> {
    let mut text: String = pruned.iter().map(Pruned::text).collect();
    if total {
        let bytes = pruned.iter().map(|pruned| pruned.reclaimed).sum();
        writeln!(text, "Total reclaimed space: {}", units::decimal_sum(bytes)).ok();
    }
    context.printer.data(text.as_bytes())?;
    let failed = pruned.iter().flat_map(|pruned| &pruned.failed);
    Ok(failed.fold(0, |_, error| {
        context.report(error);
        1
    }))
}

/// Whether the user says `y` to `warning`. The question goes to standard error, where a pipe that reads
/// what went does not get it; the end of standard input is a no.
fn is_confirmed(context: &Context, warning: &str) -> Result<bool, Error> {
    context.printer.ask(&format!("{warning}\nAre you sure you want to continue? [y/N] "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|source| Error::File {
        action: "read",
        path: "standard input".to_owned(),
        source,
    })?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(texts: &[&str]) -> Result<Filters, Error> {
        let now = DateTime::from_timestamp(10_000, 0).unwrap();
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        Filters::parse_at(&texts, &["label", "until"], now)
    }

    fn fit(texts: &[&str], created: i64, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        let created = DateTime::from_timestamp(created, 0).unwrap();
        parsed(texts).unwrap().fit(created, &labels.collect())
    }

    /// By docker's reference of `container prune` («Filtering»).
    #[test]
    fn filters_are_dockers() {
        assert!(fit(&[], 0, &[]));
        assert!(fit(&["until=1h"], 10_000 - 3601, &[]));
        assert!(!fit(&["until=1h"], 10_000 - 3599, &[]));
        assert!(fit(&["label=a", "label=b=2"], 0, &[("a", ""), ("b", "2")]));
        assert!(!fit(&["label=a", "label=b=1"], 0, &[("a", ""), ("b", "2")]));
        assert!(fit(&["label!=keep"], 0, &[]));
        assert!(!fit(&["label!=keep"], 0, &[("keep", "yes")]));
        assert!(fit(&["label!=keep=no"], 0, &[("keep", "yes")]));
    }

    #[test]
    fn what_is_no_filter_is_refused_by_name() {
        for wrong in ["colour=red", "label", "until=sometime", "until!=1h", "dangling=true"] {
            let error = parsed(&[wrong]).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
        assert!(parsed(&["until=1h", "until=2h"]).is_err());
    }

    #[test]
    fn what_went_is_listed_below_its_title() {
        let removed = vec!["a".to_owned(), "b".to_owned()];
        let pruned = Pruned { removed, ..Pruned::new("Deleted Volumes") };
        assert_eq!(pruned.text(), "Deleted Volumes:\na\nb\n\n");
        assert_eq!(Pruned::new("Deleted Volumes").text(), "");
    }
}

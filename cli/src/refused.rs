//! What the originals have and we refuse by name: tables of commands and flags with a
//! reason each, consulted only when a command line asks for something that is not there.
//!
//! `docs/differences.md` is rendered from the same tables (a test holds it), and another
//! test holds every command and flag of the inventories to be either there or here.

use crate::personality::Personality;

/// Docker's and nerdctl's: `command`, `flags` (or `-` for the command itself), reason.
const DOCKER: &str = include_str!("refused/docker.tsv");
/// ctr's, in the same form.
const CTR: &str = include_str!("refused/ctr.tsv");
/// crictl's, in the same form.
const CRICTL: &str = include_str!("refused/crictl.tsv");
/// The reasons' names and sentences.
const REASONS: &str = include_str!("refused/reasons.tsv");

/// A command or flag of the original that is not supported.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what} is not supported: {reason}")]
pub struct Refusal {
    /// As typed: a command, or a command's flag.
    pub what: String,
    /// One sentence from the table of reasons.
    pub reason: &'static str,
}

/// One line of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// `container rm`; empty for the flags before any command.
    pub command: &'static str,
    /// The flags, in the inventory's spelling (`-a/--all`); `-` alone is the command itself.
    pub flags: &'static str,
    /// The reason's name.
    pub reason: &'static str,
}

impl Row {
    /// Whether the command itself is refused, with all below it.
    #[must_use]
    pub fn is_command(&self) -> bool {
        self.flags == "-"
    }

    /// Whether this row refuses `flag` (`--all` or `-a`).
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        !self.is_command()
            && self.flags.split(' ').any(|spelled| spelled.split('/').any(|one| one == flag))
    }
}

/// The table of a personality.
pub fn rows(personality: Personality) -> impl Iterator<Item = Row> {
    let table = match personality {
        Personality::Docker => DOCKER,
        Personality::Ctr => CTR,
        Personality::Crictl => CRICTL,
        // What runc has and we have not is refused by its commands themselves.
        Personality::Runc | Personality::Unbuilt(_) => "",
    };
    parse(table)
}

fn parse(table: &'static str) -> impl Iterator<Item = Row> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().expect("the tables' shape is held by a test");
        Row { command: cell(), flags: cell(), reason: cell() }
    })
}

/// The reasons' names and sentences.
pub fn reasons() -> impl Iterator<Item = (&'static str, &'static str)> {
    REASONS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
}

/// The sentence of a reason.
#[must_use]
pub fn sentence(reason: &str) -> &'static str {
    reasons()
        .find(|(name, _)| *name == reason)
        .map(|(_, text)| text)
        .expect("every reason named in a table has a sentence, which a test holds")
}

/// The refusal of the command that `words` begin with, the longest match first; `program` is how the user
/// called this command line.
#[must_use]
pub fn command(personality: Personality, program: &str, words: &[&str]) -> Option<Refusal> {
    (1..=words.len()).rev().find_map(|length| {
        let name = words[..length].join(" ");
        let row = rows(personality).find(|row| row.is_command() && row.command == name)?;
        Some(Refusal { what: format!("`{program} {name}`"), reason: sentence(row.reason) })
    })
}

/// The refusal of `flag` (with its dashes, without a value) at `command`.
#[must_use]
pub fn flag(personality: Personality, program: &str, command: &str, flag: &str) -> Option<Refusal> {
    let row = rows(personality).find(|row| row.command == command && row.has(flag))?;
    let words = [program, command, flag];
    let what = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    Some(Refusal { what: format!("`{what}`"), reason: sentence(row.reason) })
}

#[cfg(test)]
mod tests;

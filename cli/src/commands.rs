//! The registries of commands: one table a personality, one file a command.
//!
//! A table is `const`, names its commands and knows how to build and run each; only the
//! chosen command's arguments are ever built, so that a `run` does not pay for the help
//! text of the others.

pub mod crictl;
pub mod ctr;
pub mod docker;
pub mod environment;
pub mod internal;
pub mod runc;

use clap::{ArgMatches, Command};

use crate::context::Context;
use crate::error::Error;

/// What a command hands back to the shell.
pub type Status = u8;

/// A command: its arguments, whose doc comments are the help text, and what it does.
pub trait Verb: clap::Args + Sized {
    /// What follows its name in the usage line, in the originals' notation.
    const USAGE: &'static str;

    /// Does it.
    ///
    /// # Errors
    /// What stopped it; nothing has been said about it yet.
    fn run(self, context: &Context) -> Result<Status, Error>;
}

/// A name in a table.
#[derive(Clone, Copy)]
pub struct Entry {
    /// As typed.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// What it stands for.
    pub kind: Kind,
    /// Not for people.
    pub hidden: bool,
}

/// A command, or a noun with commands below it.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A command.
    Leaf(Leaf),
    /// A noun.
    Noun {
        /// One line of help.
        about: &'static str,
        /// What is below it.
        children: &'static [Entry],
    },
}

/// How a command is built and run.
#[derive(Clone, Copy)]
pub struct Leaf {
    /// Adds its arguments and help.
    pub augment: fn(Command) -> Command,
    /// See [`Verb::USAGE`].
    pub usage: &'static str,
    /// Parses what was matched and does it.
    pub run: fn(&ArgMatches, &Context) -> Result<Status, Error>,
    /// Exit status of an ordinary failure.
    pub failure: Status,
    /// Whether it works without root (help, versions, completion).
    pub rootless: bool,
}

impl Entry {
    /// A command whose failures exit with 1.
    #[must_use]
    pub const fn verb<V: Verb>(name: &'static str) -> Self {
        let leaf = Leaf {
            augment: V::augment_args,
            usage: V::USAGE,
            run: run::<V>,
            failure: 1,
            rootless: false,
        };
        Self { name, aliases: &[], kind: Kind::Leaf(leaf), hidden: false }
    }

    /// A noun.
    #[must_use]
    pub const fn noun(name: &'static str, about: &'static str, children: &'static [Entry]) -> Self {
        Self { name, aliases: &[], kind: Kind::Noun { about, children }, hidden: false }
    }

    /// The same under other names too.
    #[must_use]
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The same command in another table.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self.aliases = &[];
        self
    }

    /// The exit status of its failures.
    #[must_use]
    pub const fn failing_with(mut self, status: Status) -> Self {
        if let Kind::Leaf(leaf) = &mut self.kind {
            leaf.failure = status;
        }
        self
    }

    /// It is left out of help and completion.
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// It works for every user.
    #[must_use]
    pub const fn without_root(mut self) -> Self {
        if let Kind::Leaf(leaf) = &mut self.kind {
            leaf.rootless = true;
        }
        self
    }

    fn answers_to(&self, word: &str) -> bool {
        self.name == word || self.aliases.contains(&word)
    }

    /// The clap command with everything below it; `path` is how it was reached, itself included.
    #[must_use]
    pub fn build(&self, path: &str) -> Command {
        let command = Command::new(self.name)
            .bin_name(path)
            .visible_aliases(self.aliases.iter().copied())
            .disable_version_flag(true)
            .disable_help_subcommand(true);
        match self.kind {
            Kind::Leaf(leaf) => {
                let command = command
                    .no_binary_name(true)
                    .args_override_self(true)
                    .override_usage(format!("{path} {}", leaf.usage).trim().to_owned());
                help_flag(dashed_values(go_booleans((leaf.augment)(command))))
            }
            Kind::Noun { about, children } => command
                .no_binary_name(true)
                .about(about)
                .override_usage(format!("{path} COMMAND"))
                .subcommands(children.iter().map(|child| {
                    child.build(&format!("{path} {}", child.name)).no_binary_name(false)
                })),
        }
    }
}

/// `--help` everywhere, and `-h` where it means nothing else (`run -h` is `--hostname`).
fn help_flag(command: Command) -> Command {
    let taken = command.get_arguments().any(|arg| arg.get_short() == Some('h'));
    let help =
        clap::Arg::new("help").long("help").help("Print this help").action(clap::ArgAction::Help);
    let help = if taken { help } else { help.short('h') };
    command.disable_help_flag(true).arg(help)
}

fn run<V: Verb>(matches: &ArgMatches, context: &Context) -> Result<Status, Error> {
    let verb = V::from_arg_matches(matches).expect("clap checked the matches against these args");
    verb.run(context)
}

/// The entry that `word` names.
#[must_use]
pub fn find(table: &'static [Entry], word: &str) -> Option<&'static Entry> {
    table.iter().find(|entry| entry.answers_to(word))
}

/// Switches as Go's flag packages read them: `--rm`, and also `--rm=true`, `--rm=0`.
#[must_use]
pub fn go_booleans(command: Command) -> Command {
    command.mut_args(|arg| {
        if !matches!(arg.get_action(), clap::ArgAction::SetTrue) {
            return arg;
        }
        let default = match arg.get_default_values() {
            [] => "false".into(),
            [default, ..] => default.clone(),
        };
        arg.action(clap::ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_value(default)
            .default_missing_value("true")
            .hide_default_value(true)
            .hide_possible_values(true)
            .value_parser(go_bool)
            .value_name("BOOL")
    })
}

/// A flag that needs a value takes the next word whatever it begins with, as Go's flag packages do:
/// `--memory-swap -1`, `--tail -1`.
pub fn dashed_values(command: Command) -> Command {
    command.mut_args(|arg| {
        let needs_value = !arg.is_positional()
            && arg.get_action().takes_values()
            && !arg.is_require_equals_set()
            && arg.get_num_args().is_none_or(|range| range.min_values() > 0);
        if needs_value { arg.allow_hyphen_values(true) } else { arg }
    })
}

/// Go's `strconv.ParseBool`.
///
/// # Errors
/// Other text.
pub fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it is neither true nor false".to_owned()),
    }
}

#[cfg(test)]
mod tests;

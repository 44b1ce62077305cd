//! The OCI runtime command line: `create`, `start`, `kill`, … as podman, containerd and CRI-O call them. Flags,
//! words and statuses are runc's.
//!
//! It is apart from the other personalities: it has neither images nor a database, and is decided for before
//! anything that costs time. What needs libcontainer goes to the embedded program ([`execute`]).

mod create;
mod delete;
mod ends;
mod events;
mod exec;
mod execute;
mod features;
mod kill;
mod list;
mod pause;
mod ps;
mod resume;
mod run;
mod spec;
mod start;
mod state;
mod unsupported;
mod update;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use isopod_oci::log::{Format, Log};
use isopod_oci::store::Store;

use super::{Status, dashed_values, go_booleans};
use crate::output::printer::Printer;

/// Where containers are if `--root` doesn't say.
const ROOT: &str = "/run/isopod/runc";

/// The flags before a command.
#[derive(Debug, clap::Args)]
struct GlobalArgs {
    /// Log what is done
    #[arg(long)]
    debug: bool,
    /// File for messages instead of standard error
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Format of messages: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: String,
    /// Folder of the containers' states [default: /run/isopod/runc]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    #[arg(long, hide = true)]
    criu: Option<String>,
    /// Have systemd make the containers' cgroups: cgroupsPath is "slice:prefix:name"
    #[arg(long)]
    systemd_cgroup: bool,
    /// Whether to put up with missing rights to cgroups: false or auto
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    rootless: String,
}

/// What every command is given.
#[derive(Debug)]
struct Globals {
    log: Log,
    root: PathBuf,
    /// `--systemd-cgroup`.
    systemd_cgroup: bool,
    printer: Printer,
}

impl Globals {
    fn store(&self) -> Store {
        Store::new(self.root.clone())
    }

    /// Something that went wrong and stops nothing.
    fn warn(&self, message: &str) {
        self.tell("warning", message);
    }

    /// With `--debug`: what was done.
    fn debug(&self, message: &str) {
        if self.log.debug {
            self.tell("debug", message);
        }
    }

    fn tell(&self, level: &str, message: &str) {
        if !self.log.append(level, message).unwrap_or(false) {
            self.printer.raw(&self.log.format.line(level, message));
        }
    }
}

/// Why a command was not done.
#[derive(Debug)]
struct Failure {
    message: String,
    status: Status,
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: 1 }
    }

    /// The same, with `words` before it.
    fn after(mut self, words: &str) -> Self {
        self.message.insert_str(0, words);
        self
    }

    /// The same with another status.
    fn with(mut self, status: Status) -> Self {
        self.status = status;
        self
    }
}

/// A command: its arguments, whose doc comments are the help text, and what it does.
trait Verb: clap::Args {
    /// What follows its name in the usage line.
    const USAGE: &'static str;

    fn run(self, globals: &Globals) -> Result<Status, Failure>;
}

/// A command in the table.
struct Entry {
    name: &'static str,
    augment: fn(Command) -> Command,
    usage: &'static str,
    run: fn(&ArgMatches, &Globals) -> Result<Status, Failure>,
}

impl Entry {
    const fn verb<V: Verb>(name: &'static str) -> Self {
        fn run<V: Verb>(matches: &ArgMatches, globals: &Globals) -> Result<Status, Failure> {
            V::from_arg_matches(matches)
                .expect("clap checked the matches against these args")
                .run(globals)
        }
        Self { name, augment: V::augment_args, usage: V::USAGE, run: run::<V> }
    }

    fn build(&self) -> Command {
        let path = format!("runc {}", self.name);
        let command = Command::new(self.name)
            .bin_name(&path)
            .no_binary_name(true)
            .args_override_self(true)
            .disable_version_flag(true)
            .override_usage(format!("{path} {}", self.usage));
        dashed_values(go_booleans((self.augment)(command)))
    }
}

/// All commands, sorted.
const TABLE: &[Entry] = &[
    Entry::verb::<unsupported::Checkpoint>("checkpoint"),
    Entry::verb::<create::Create>("create"),
    Entry::verb::<delete::Delete>("delete"),
    Entry::verb::<events::Events>("events"),
    Entry::verb::<exec::Exec>("exec"),
    Entry::verb::<features::Features>("features"),
    Entry::verb::<kill::Kill>("kill"),
    Entry::verb::<list::List>("list"),
    Entry::verb::<pause::Pause>("pause"),
    Entry::verb::<ps::Ps>("ps"),
    Entry::verb::<unsupported::Restore>("restore"),
    Entry::verb::<resume::Resume>("resume"),
    Entry::verb::<run::Run>("run"),
    Entry::verb::<spec::Spec>("spec"),
    Entry::verb::<start::Start>("start"),
    Entry::verb::<state::State>("state"),
    Entry::verb::<update::Update>("update"),
];

/// Does what the arguments say, and returns the process's status.
#[must_use]
pub fn run(arguments: &[OsString]) -> Status {
    let printer = Printer::new("runc");
    let mut log = Log::default();
    let failure = match attempt(arguments, printer, &mut log) {
        Ok(status) => return status,
        Err(failure) => failure,
    };
    printer.raw(&log.fatal(&failure.message));
    failure.status
}

fn attempt(arguments: &[OsString], printer: Printer, log: &mut Log) -> Result<Status, Failure> {
    let mut command = global_command();
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(error) => return Err(refusal(&error)),
    };
    if matches.get_flag("version") {
        printer.data(version().as_bytes())?;
        return Ok(0);
    }
    let args = GlobalArgs::from_arg_matches(&matches)
        .expect("clap checked the matches against these args");
    let words = matches.subcommand().filter(|_| !matches.get_flag("help"));
    let Some((name, rest)) = words else { return help(None, printer) };
    let globals = globals(args, printer, log)?;
    let words: Vec<&OsString> = rest.get_many::<OsString>("").into_iter().flatten().collect();
    if matches!(name, "help" | "h") {
        return help(words.first().and_then(|word| word.to_str()), printer);
    }
    let entry = TABLE.iter().find(|entry| entry.name == name);
    // The status is that of the library which runc parses its commands by.
    let entry = entry.ok_or_else(|| Failure::new(format!("No help topic for '{name}'")).with(3))?;
    if words.iter().any(|word| *word == "--help" || *word == "-h") && words.len() == 1 {
        return help(Some(name), printer);
    }
    let matches = entry.build().try_get_matches_from(words).map_err(|error| refusal(&error))?;
    globals.debug(&format!("{name}: containers are in {}", globals.root.display()));
    let status = (entry.run)(&matches, &globals)?;
    globals.debug(&format!("{name}: done, status {status}"));
    Ok(status)
}

fn global_command() -> Command {
    let switch = |name: &'static str, short, help: &'static str| {
        clap::Arg::new(name).long(name).short(short).help(help).action(clap::ArgAction::SetTrue)
    };
    let command = go_booleans(GlobalArgs::augment_args(Command::new("runc")))
        .bin_name("runc")
        .no_binary_name(true)
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .allow_external_subcommands(true)
        .override_usage("runc [global options] command [command options] [arguments...]");
    dashed_values(command).arg(switch("help", 'h', "Print this help")).arg(switch(
        "version",
        'v',
        "Print the version",
    ))
}

fn globals(args: GlobalArgs, printer: Printer, log: &mut Log) -> Result<Globals, Failure> {
    log.file = args.log.filter(|path| !path.as_os_str().is_empty());
    log.debug = args.debug;
    log.format = match args.log_format.as_str() {
        "" | "text" => Format::Text,
        "json" => Format::Json,
        other => return Err(Failure::new(format!("invalid log-format: {other}"))),
    };
    if args.systemd_cgroup && !isopod_systemd::is_running() {
        return Err(Failure::new(
            "systemd cgroup flag passed, but systemd support for managing cgroups is not available: \
             systemd does not run on this machine",
        ));
    }
    if args.criu.is_some() {
        return Err(Failure::new(format!("--criu is not supported: {}", unsupported::REASON)));
    }
    match args.rootless.as_str() {
        "" | "auto" | "false" => {}
        "true" => {
            return Err(Failure::new(
                "--rootless=true is not supported: it takes root to run a container",
            ));
        }
        other => return Err(Failure::new(format!("invalid value for --rootless: {other:?}"))),
    }
    let root = args.root.unwrap_or_else(|| PathBuf::from(ROOT));
    Ok(Globals {
        log: log.clone(),
        root: std::path::absolute(root)?,
        systemd_cgroup: args.systemd_cgroup,
        printer,
    })
}

/// What engines read of the version: its first line, and the specification's.
fn version() -> String {
    format!("runc version {} (isopod)\nspec: {}\n", crate::VERSION, isopod_oci::SPEC_VERSION)
}

fn help(name: Option<&str>, printer: Printer) -> Result<Status, Failure> {
    let mut command = match name {
        None => global_command().subcommands(TABLE.iter().map(Entry::build)),
        Some(name) => match TABLE.iter().find(|entry| entry.name == name) {
            Some(entry) => entry.build(),
            None => return Err(Failure::new(format!("No help topic for '{name}'")).with(3)),
        },
    };
    let text = command.render_help().to_string();
    printer.data(text.trim_end().as_bytes())?;
    printer.data(b"\n")?;
    Ok(0)
}

/// clap's answer in runc's words.
fn refusal(error: &clap::Error) -> Failure {
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.trim_start_matches('-').to_owned(),
        _ => String::new(),
    };
    if error.kind() == ErrorKind::UnknownArgument {
        return Failure::new(format!("flag provided but not defined: -{argument}"));
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    Failure::new(line.trim_start_matches("error: ").to_owned())
}

/// The one container that a command is for.
fn one(command: &str, arguments: Vec<String>) -> Result<String, Failure> {
    match <[String; 1]>::try_from(arguments) {
        Ok([id]) => Ok(id),
        Err(_) => Err(Failure::new(format!("runc: \"{command}\" requires exactly 1 argument(s)"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_command_builds() {
        assert!(TABLE.is_sorted_by_key(|entry| entry.name));
        for entry in TABLE {
            entry.build().debug_assert();
        }
    }

    #[test]
    fn a_flag_after_the_container_belongs_to_its_program() {
        let entry = TABLE.iter().find(|entry| entry.name == "exec").unwrap();
        let line = ["--cwd", "/tmp", "-t", "c1", "ls", "-t", "--cwd", "x"];
        let matches = entry.build().try_get_matches_from(line).unwrap();
        let words: Vec<&String> = matches.get_many("arguments").unwrap().collect();
        assert_eq!(words, ["c1", "ls", "-t", "--cwd", "x"]);
    }
}

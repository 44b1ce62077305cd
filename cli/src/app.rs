//! From the process's arguments to an exit status.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use isopod_sys::step::{self, Plan};

use crate::commands::crictl::CrictlArgs;
use crate::commands::{self, Entry, Kind, Leaf, Status};
use crate::context::{Context, Globals, report};
use crate::env;
use crate::error::{Error, TOOL_FAILED};
use crate::output::printer::Printer;
use crate::personality::Personality;
use crate::refused;

/// The flags before a command.
#[derive(Debug, clap::Args)]
struct GlobalArgs {
    /// Data folder [default: /var/lib/isopod]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// State folder, best on a tmpfs [default: /run/isopod]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Namespace of containers [default: default]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Folder with a hosts.toml a registry (may be given several times)
    #[arg(long, value_name = "DIR")]
    hosts_dir: Vec<PathBuf>,
    /// The configuration file, for what a monitor starts without an environment
    #[arg(long, value_name = "FILE", hide = true)]
    config_file: Option<PathBuf>,
    /// Who makes the cgroups of new containers: cgroupfs or systemd [default: cgroupfs]
    #[arg(long, value_name = "MANAGER")]
    cgroup_manager: Option<String>,
    /// Say on standard error what is done
    #[arg(short = 'D', long)]
    debug: bool,
}

impl From<GlobalArgs> for Globals {
    fn from(args: GlobalArgs) -> Self {
        Self {
            crictl: CrictlArgs::default(),
            root: args.root,
            state: args.state,
            namespace: args.namespace,
            hosts_dirs: args.hosts_dir,
            config_file: args.config_file,
            cgroup_manager: args.cgroup_manager,
            debug: args.debug,
        }
    }
}

/// A command line of one personality, parsed up to the command.
struct App {
    personality: Personality,
    /// What to call the program in usage lines: `isopod`, `isopod ctr`, or the link's name.
    program: String,
    table: &'static [Entry],
}

/// The end of the help: what else the file can be called for.
const OTHERS: &str = "Other command lines of the same program, also by links of their names:
  isopod crictl  A client of any CRI runtime, as Kubernetes' crictl
  isopod ctr     The low-level view of the same images and containers, as containerd's ctr
  isopod runc    An OCI runtime that other engines call";

/// Why parsing ended without a command to run.
enum Stop {
    /// `--help`, `--version`: text for standard output.
    Text(String),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Runs the command line and says on standard error why it failed, if it did.
#[must_use]
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> Status {
    let program = arguments.next();
    let arguments: Vec<OsString> = arguments.collect();
    let first = arguments.first().map(OsString::as_os_str);
    let (personality, used) = Personality::of(program.as_deref(), first);
    if personality == Personality::Runc {
        if let Err(error) = plan_steps() {
            report(Printer::new(personality.name()), personality.name(), &error);
            return 1;
        }
        return commands::runc::run(&arguments[used - 1..]);
    }
    let app = App {
        personality,
        program: spelled(program.as_deref(), personality, used),
        table: match personality {
            Personality::Docker => commands::docker::TABLE,
            Personality::Ctr => commands::ctr::TABLE,
            Personality::Crictl => commands::crictl::TABLE,
            Personality::Runc | Personality::Unbuilt(_) => &[],
        },
    };
    app.run(&arguments[used - 1..])
}

/// Takes from the environment what a test wants to happen on the way ([`isopod_sys::step`]).
fn plan_steps() -> Result<(), Error> {
    let (deed, log) = (env::text(env::STEP), env::text(env::STEP_LOG));
    if deed.is_none() && log.is_none() {
        return Ok(());
    }
    let (deed, log) = (deed.unwrap_or_default(), log.unwrap_or_default());
    let plan = Plan::parse(&deed, &log)
        .map_err(|error| Error::Argument(format!("{}: {error}", env::STEP)))?;
    match step::install(plan) {
        true => Ok(()),
        false => Err(Error::Argument(format!(
            "{} and {} are for debug builds: this program has no steps",
            env::STEP,
            env::STEP_LOG
        ))),
    }
}

/// How the user called this personality.
fn spelled(program: Option<&OsStr>, personality: Personality, used: usize) -> String {
    if used == 2 {
        return format!("isopod {}", personality.name());
    }
    let file = program.map(std::path::Path::new).and_then(std::path::Path::file_name);
    match file.and_then(OsStr::to_str) {
        Some(name @ ("docker" | "nerdctl")) => name.to_owned(),
        _ => personality.name().to_owned(),
    }
}

impl App {
    fn run(&self, arguments: &[OsString]) -> Status {
        let printer = Printer::new(self.personality.name());
        let (error, failure) = match self.start(arguments) {
            Ok(status) => return status,
            Err((Stop::Text(text), _)) => match printer.data(text.as_bytes()) {
                Ok(()) => return 0,
                Err(error) => (error.into(), 1),
            },
            Err((Stop::Failed(error), failure)) => (error, failure),
        };
        report(printer, &self.program, &error);
        let ones = matches!(self.personality, Personality::Ctr | Personality::Crictl);
        let usage = if ones { 1 } else { TOOL_FAILED };
        error.status(failure, usage)
    }

    fn start(&self, arguments: &[OsString]) -> Result<Status, (Stop, Status)> {
        let fail = |stop: Stop| (stop, 1);
        plan_steps().map_err(|error| fail(error.into()))?;
        let (globals, words) = self.globals(arguments).map_err(fail)?;
        let debug = globals.debug;
        let (leaf, matches) = self.command(&words).map_err(fail)?;
        let fail = |error: Error| (Stop::Failed(error), leaf.failure);
        if !leaf.rootless {
            require_root().map_err(fail)?;
        }
        if debug {
            crate::debug::start();
        }
        let context = Context::new(self.personality, &self.program, globals).map_err(fail)?;
        (leaf.run)(&matches, &context).map_err(fail)
    }

    /// The flags before the command, and the words from the command on.
    fn globals(&self, arguments: &[OsString]) -> Result<(Globals, Vec<OsString>), Stop> {
        if let Personality::Unbuilt(name) = self.personality {
            return Err(Error::Unbuilt(name).into());
        }
        let command = global_args(self.personality, Command::new(self.program.clone()))
            .no_binary_name(true)
            .args_override_self(true)
            .disable_help_flag(true)
            .disable_help_subcommand(true)
            .disable_version_flag(true)
            .allow_external_subcommands(true)
            .arg(switch("help", 'h', "Print this help"))
            .arg(switch("version", 'v', "Print the version"));
        let mut command = commands::go_booleans(command);
        let matches = command
            .try_get_matches_from_mut(arguments)
            .map_err(|error| self.stop(&error, "", &mut command))?;
        if matches.get_flag("version") {
            return Err(Stop::Text(format!("{} version {}\n", self.program, crate::VERSION)));
        }
        let Some((name, rest)) = matches.subcommand().filter(|_| !matches.get_flag("help")) else {
            return Err(Stop::Text(help_text(&mut self.full())));
        };
        let mut words = vec![OsString::from(name)];
        words.extend(rest.get_many::<OsString>("").into_iter().flatten().cloned());
        const CHECKED: &str = "clap checked the matches against these args";
        let globals = match self.personality {
            Personality::Crictl => {
                let crictl = CrictlArgs::from_arg_matches(&matches).expect(CHECKED);
                Globals { debug: crictl.debug, crictl, ..Globals::default() }
            }
            _ => GlobalArgs::from_arg_matches(&matches).expect(CHECKED).into(),
        };
        Ok((globals, words))
    }

    /// Walks the nouns to the command, and parses its arguments.
    fn command(&self, words: &[OsString]) -> Result<(Leaf, ArgMatches), Stop> {
        let help = words.first().is_some_and(|word| word == "help");
        let words = if help { &words[1..] } else { words };
        let mut table = self.table;
        let mut path = String::new();
        for (index, word) in words.iter().enumerate() {
            let entry = word
                .to_str()
                .and_then(|word| commands::find(table, word))
                .ok_or_else(|| self.no_such_command(words, index, &path))?;
            path = format!("{path} {}", entry.name).trim_start().to_owned();
            match entry.kind {
                Kind::Noun { children, .. } => {
                    let next = words.get(index + 1).and_then(|word| word.to_str());
                    if help && next.is_none() || matches!(next, None | Some("--help" | "-h")) {
                        return Err(self.help(entry, &path));
                    }
                    table = children;
                }
                Kind::Leaf(_) if help => return Err(self.help(entry, &path)),
                Kind::Leaf(leaf) => {
                    let mut command = entry.build(&self.full_path(&path));
                    let matches = command
                        .try_get_matches_from_mut(&words[index + 1..])
                        .map_err(|error| self.stop(&error, &path, &mut command))?;
                    return Ok((leaf, matches));
                }
            }
        }
        Err(Stop::Text(help_text(&mut self.full())))
    }

    fn full_path(&self, path: &str) -> String {
        format!("{} {path}", self.program).trim_end().to_owned()
    }

    fn help(&self, entry: &Entry, path: &str) -> Stop {
        Stop::Text(help_text(&mut entry.build(&self.full_path(path))))
    }

    /// The whole tree, for its help.
    fn full(&self) -> Command {
        let command = full(self.personality, &self.program, self.table);
        match self.personality {
            Personality::Docker => command.after_help(OTHERS),
            _ => command,
        }
    }

    fn no_such_command(&self, words: &[OsString], index: usize, path: &str) -> Stop {
        let words: Vec<&str> = words.iter().map_while(|word| word.to_str()).collect();
        // Nouns are looked up by their first name, whatever alias was typed.
        let mut spelled: Vec<&str> = path.split(' ').filter(|word| !word.is_empty()).collect();
        spelled.extend(&words[index.min(words.len())..]);
        if let Some(refusal) = refused::command(self.personality, &self.program, &spelled) {
            return Error::from(refusal).into();
        }
        let word = words.get(index).copied().unwrap_or_default();
        Error::Usage {
            message: match word.starts_with('-') {
                true => format!("unknown flag: {word}"),
                false => format!("{word:?} is not a command"),
            },
            command: self.full_path(path),
        }
        .into()
    }

    /// clap's answer in our words: help as text, refusals by name, the rest as one line.
    fn stop(&self, error: &clap::Error, path: &str, command: &mut Command) -> Stop {
        if error.kind() == ErrorKind::DisplayHelp {
            return Stop::Text(help_text(command));
        }
        let argument = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(argument)) => argument.as_str(),
            _ => "",
        };
        let flag = argument.split(['=', ' ']).next().unwrap_or_default();
        let unknown = error.kind() == ErrorKind::UnknownArgument;
        if unknown && let Some(refusal) = refused::flag(self.personality, &self.program, path, flag)
        {
            return Error::from(refusal).into();
        }
        let message = match error.kind() {
            ErrorKind::UnknownArgument if flag.starts_with('-') => format!("unknown flag: {flag}"),
            ErrorKind::UnknownArgument => format!("unexpected argument: {argument}"),
            ErrorKind::MissingRequiredArgument
            | ErrorKind::TooFewValues
            | ErrorKind::WrongNumberOfValues => {
                format!("arguments are missing: {}", usage(command))
            }
            _ => first_line(&error.render().to_string()),
        };
        Error::Usage { message, command: self.full_path(path) }.into()
    }
}

/// The whole tree of a personality: for help and completion.
#[must_use]
pub fn full(personality: Personality, program: &str, table: &'static [Entry]) -> Command {
    let commands = table
        .iter()
        .filter(|entry| !entry.hidden)
        .map(|entry| entry.build(&format!("{program} {}", entry.name)).no_binary_name(false));
    let name = program.rsplit(' ').next().unwrap_or(program).to_owned();
    let about = match personality {
        Personality::Crictl => "Look at the pods, containers and images of any CRI runtime",
        _ => "Containers without a daemon, from one static binary",
    };
    let command = global_args(personality, Command::new(name))
        .bin_name(program)
        .about(about)
        .override_usage(format!("{program} [OPTIONS] COMMAND"))
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .arg(switch("help", 'h', "Print this help"))
        .arg(switch("version", 'v', "Print the version"))
        .subcommands(commands);
    commands::go_booleans(command)
}

/// Every command line in one tree, as it is called by our own name.
#[must_use]
pub fn whole() -> Command {
    full(Personality::Docker, "isopod", commands::docker::TABLE)
        .subcommand(full(Personality::Ctr, "isopod ctr", commands::ctr::TABLE))
        .subcommand(full(Personality::Crictl, "isopod crictl", commands::crictl::TABLE))
}

/// Adds the flags before a command.
fn global_args(personality: Personality, command: Command) -> Command {
    match personality {
        Personality::Crictl => CrictlArgs::augment_args(command),
        _ => GlobalArgs::augment_args(command),
    }
}

/// clap's help, where a switch looks like one although it may be given a value too.
fn help_text(command: &mut Command) -> String {
    command.render_help().to_string().replace("[=<BOOL>]", "         ")
}

/// The command's line of usage without its heading.
fn usage(command: &mut Command) -> String {
    let text = command.render_usage().to_string();
    text.trim().strip_prefix("Usage:").unwrap_or(&text).trim().to_owned()
}

fn switch(name: &'static str, short: char, help: &'static str) -> clap::Arg {
    clap::Arg::new(name).long(name).short(short).help(help).action(clap::ArgAction::SetTrue)
}

fn first_line(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let line = paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).trim_end_matches('.').to_owned()
}

fn require_root() -> Result<(), Error> {
    let user = rustix::process::geteuid();
    if user.is_root() { Ok(()) } else { Err(Error::NotRoot(user.as_raw())) }
}

#[cfg(test)]
mod tests;

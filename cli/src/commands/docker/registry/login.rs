//! `login`: checks a credential with its registry, and keeps it.

use std::io::{self, BufRead, IsTerminal, Read};

use isopod_registry::auth::{Credential, Kept};
use isopod_runtime::ErrorKind;

use super::{server, store};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::registry;
use crate::terminal::silent::Silent;

/// The most that is read of a password.
const MAX_PASSWORD: u64 = 64 << 10;

/// Log in to a registry
#[derive(clap::Args)]
pub struct Args {
    /// User
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,
    /// Password or token; others can see it in the list of processes
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,
    /// The registry (host[:port]); docker.io where none is given
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [SERVER]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let host = server(self.server.as_deref())?;
        if self.password.is_some() {
            context.printer.note(
                "WARNING! A password on the command line can be seen by others: use --password-stdin",
            );
        }
        let (user, password) = self.credential(context, &host)?;
        check(context, &host, &user, &password)?;
        if let Kept::File(path) = store()?.keep(&host, &user, &password).map_err(Error::argument)? {
            context.printer.note(format_args!(
                "WARNING! The password is kept in {}, encoded and not encrypted; a credential helper \
                 (credsStore) keeps it better",
                path.display()
            ));
        }
        context.printer.line("Login Succeeded")?;
        Ok(0)
    }
}

impl Args {
    /// From flags and standard input; what is missing is asked for.
    fn credential(&self, context: &Context, host: &str) -> Result<(String, String), Error> {
        let is_terminal = io::stdin().is_terminal();
        let user = match &self.username {
            Some(user) => user.clone(),
            None if is_terminal => {
                context.printer.ask(&format!("Username for {host}: "));
                line()?
            }
            None => return Err(not_asked("--username")),
        };
        if user.is_empty() || user.contains(':') {
            return Err(Error::Value {
                what: "--username",
                value: user,
                reason: "it is empty or has a colon".to_owned(),
            });
        }
        let password = match &self.password {
            Some(password) => password.clone(),
            None if self.password_stdin => {
                let mut text = String::new();
                io::stdin().lock().take(MAX_PASSWORD).read_to_string(&mut text).map_err(unread)?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
            None if is_terminal => {
                // Before it is asked for: whoever types fast is not shown either.
                let silent = Silent::enter(io::stdin()).map_err(unread)?;
                context.printer.ask("Password: ");
                let password = silent.wait().map_err(unread).and_then(|()| line());
                drop(silent);
                // The user's own line feed was not shown.
                context.printer.ask("\n");
                password?
            }
            None => return Err(not_asked("--password-stdin")),
        };
        if password.is_empty() {
            return Err(Error::Argument(format!("the password for {host} is empty")));
        }
        Ok((user, password))
    }
}

fn check(context: &Context, host: &str, user: &str, password: &str) -> Result<(), Error> {
    let mut config = registry::config(context)?;
    let credential = Credential::Password { user: user.to_owned(), password: password.to_owned() };
    config.credentials.explicit.push((host.to_owned(), credential));
    isopod_runtime::image::log_in(host, config).map_err(|error| match error.kind() {
        ErrorKind::Unauthorized => Error::LoginRefused {
            host: host.to_owned(),
            user: user.to_owned(),
            source: Box::new(error),
        },
        _ => error.into(),
    })
}

fn line() -> Result<String, Error> {
    let mut text = String::new();
    io::stdin().lock().take(MAX_PASSWORD).read_line(&mut text).map_err(unread)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn unread(source: io::Error) -> Error {
    Error::File { action: "read", path: "standard input".to_owned(), source }
}

fn not_asked(flag: &str) -> Error {
    Error::Argument(format!("nobody can be asked, as standard input is no terminal: give {flag}"))
}

//! Who pulls: `--creds`, `--auth`, `--username`.

use std::io::{self, BufRead as _, Read as _};

use isopod_cri_client::v1::AuthConfig;

use crate::context::Context;
use crate::env;
use crate::error::Error;
use crate::terminal;
use crate::terminal::silent::Silent;

/// The most that is read of a password, in bytes.
const MAX_PASSWORD: u64 = 64 * 1024;

/// The flags of whatever pulls.
#[derive(Debug, Default, clap::Args)]
pub struct CredentialArgs {
    /// User and password for the registry; others see them on a command line, CRICTL_CREDS they don't
    #[arg(long, value_name = "USERNAME[:PASSWORD]")]
    creds: Option<String>,
    /// The same in base64 (CRICTL_AUTH)
    #[arg(long, value_name = "AUTH_STRING")]
    auth: Option<String>,
    /// User for the registry; the password is asked for
    #[arg(short, long, value_name = "USERNAME")]
    username: Option<String>,
}

impl CredentialArgs {
    /// What to show the registry; nothing where nothing was given.
    ///
    /// # Errors
    /// More than one of them; a user without a name; nobody to ask.
    pub fn config(&self, context: &Context) -> Result<Option<AuthConfig>, Error> {
        if let Some(username) = self.username.as_ref().filter(|name| !name.is_empty()) {
            let password = asked(context)?;
            let username = username.clone();
            return Ok(Some(AuthConfig { username, password, ..AuthConfig::default() }));
        }
        let given = |flag: &Option<String>, variable| {
            flag.clone().or_else(|| env::text(variable)).filter(|text| !text.is_empty())
        };
        let creds = given(&self.creds, env::CRICTL_CREDS);
        let auth = given(&self.auth, env::CRICTL_AUTH);
        match (creds, auth) {
            (Some(_), Some(_)) => {
                Err(Error::Argument("both --creds and --auth are given: one is enough".to_owned()))
            }
            (Some(creds), None) => {
                let (username, password) = creds.split_once(':').unwrap_or((&creds, ""));
                if username.is_empty() {
                    return Err(Error::Argument("--creds has no user before its colon".to_owned()));
                }
                Ok(Some(AuthConfig {
                    username: username.to_owned(),
                    password: password.to_owned(),
                    ..AuthConfig::default()
                }))
            }
            (None, Some(auth)) => Ok(Some(AuthConfig { auth, ..AuthConfig::default() })),
            (None, None) => Ok(None),
        }
    }
}

fn asked(context: &Context) -> Result<String, Error> {
    if !terminal::stdin_is_terminal() {
        return Err(Error::Argument(
            "nobody can be asked for a password, as standard input is no terminal: use --creds"
                .to_owned(),
        ));
    }
    let unread = |source| Error::File { action: "read", path: "standard input".to_owned(), source };
    // Before it is asked for: whoever types fast is not shown either.
    let silent = Silent::enter(io::stdin()).map_err(unread)?;
    context.printer.ask("Enter Password:");
    let mut text = String::new();
    let read = silent
        .wait()
        .and_then(|()| io::stdin().lock().take(MAX_PASSWORD).read_line(&mut text).map(drop));
    drop(silent);
    context.printer.ask("\n");
    read.map_err(unread)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Globals;
    use crate::personality::Personality;

    fn config(creds: Option<&str>, auth: Option<&str>) -> Result<Option<AuthConfig>, Error> {
        let context = Context::new(Personality::Crictl, "crictl", Globals::default()).unwrap();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let args = CredentialArgs { creds: owned(creds), auth: owned(auth), username: None };
        args.config(&context)
    }

    /// cri-tools' `cmd/crictl/image.go`.
    #[test]
    fn a_user_ends_at_the_first_colon() {
        let both = config(Some("ann:s:3"), None).unwrap().unwrap();
        assert_eq!((both.username.as_str(), both.password.as_str()), ("ann", "s:3"));
        let user = config(Some("ann"), None).unwrap().unwrap();
        assert_eq!((user.username.as_str(), user.password.as_str()), ("ann", ""));
        assert_eq!(config(None, Some("YTpi")).unwrap().unwrap().auth, "YTpi");
        assert_eq!(config(None, None).unwrap(), None);
        assert!(config(Some(":x"), None).is_err());
        assert!(config(Some("a"), Some("b")).is_err());
    }
}

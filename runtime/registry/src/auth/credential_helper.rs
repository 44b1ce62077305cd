//! `docker-credential-<name> get|store|erase` (the docker-credential-helpers project's protocol): the
//! server or JSON on its standard input, JSON on its standard output.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::credentials::{Credential, CredentialError};

/// More than any secret, less than a flood.
const MAX_ANSWER: u64 = 64 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks the helper for the credential of `server`; `None` if it has none. Blocks.
pub(super) fn get(
    name: &str,
    server: &str,
    limit: Duration,
) -> Result<Option<Credential>, CredentialError> {
    ask(&program(name)?, server, limit)
}

/// Hands the helper a credential to keep. Blocks.
pub(super) fn store(
    name: &str,
    server: &str,
    user: &str,
    password: &str,
    limit: Duration,
) -> Result<(), CredentialError> {
    let input = serde_json::json!({"ServerURL": server, "Username": user, "Secret": password});
    run(&program(name)?, "store", &input.to_string(), limit)?.success().map(drop)
}

/// Has the helper forget the credential of `server`. Blocks.
pub(super) fn erase(name: &str, server: &str, limit: Duration) -> Result<(), CredentialError> {
    run(&program(name)?, "erase", server, limit)?.success().map(drop)
}

/// A helper's name is only a name: it is looked for on the path.
fn program(name: &str) -> Result<String, CredentialError> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if name.is_empty() || !plain {
        return Err(CredentialError::HelperName(name.to_owned()));
    }
    Ok(format!("docker-credential-{name}"))
}

fn ask(
    program: &str,
    server: &str,
    limit: Duration,
) -> Result<Option<Credential>, CredentialError> {
    let ended = run(program, "get", server, limit)?;
    if !ended.status.success() && ended.message().contains("credentials not found") {
        return Ok(None);
    }
    let output = ended.success()?;
    let answer: Answer = serde_json::from_slice(&output).map_err(|_| {
        let message = "its answer is not the expected JSON".to_owned();
        CredentialError::HelperFailed { program: program.to_owned(), message }
    })?;
    Ok(match (answer.username.as_str(), answer.secret) {
        (_, secret) if secret.is_empty() => None,
        ("<token>", secret) => Some(Credential::IdentityToken(secret)),
        (_, password) => Some(Credential::Password { user: answer.username, password }),
    })
}

/// How a helper ended, and what it said.
struct Ended {
    program: String,
    status: ExitStatus,
    output: Vec<u8>,
}

impl Ended {
    fn message(&self) -> String {
        let text = String::from_utf8_lossy(&self.output);
        let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        text.trim().to_owned()
    }

    fn success(self) -> Result<Vec<u8>, CredentialError> {
        if self.status.success() {
            return Ok(self.output);
        }
        let message = match self.message() {
            message if message.is_empty() => self.status.to_string(),
            message => message,
        };
        Err(CredentialError::HelperFailed { program: self.program, message })
    }
}

fn run(program: &str, verb: &str, input: &str, limit: Duration) -> Result<Ended, CredentialError> {
    let start = |source| CredentialError::HelperStart { program: program.to_owned(), source };
    let mut child = Command::new(program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(start)?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let stdout = child.stdout.take().expect("stdout is piped");
    // A helper that closes its input early has its reasons; its exit status tells.
    stdin.write_all(input.as_bytes()).ok();
    drop(stdin);
    let reader = std::thread::spawn(move || {
        let mut answer = Vec::new();
        stdout.take(MAX_ANSWER).read_to_end(&mut answer).map(|_| answer)
    });
    let Some(status) = wait(&mut child, limit).map_err(start)? else {
        return Err(CredentialError::HelperTimeout { program: program.to_owned(), limit });
    };
    // A descendant may still hold the pipe: what has come within the bound is what counts.
    let deadline = Instant::now() + limit;
    while !reader.is_finished() {
        if Instant::now() > deadline {
            return Err(CredentialError::HelperTimeout { program: program.to_owned(), limit });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let panicked = |_| CredentialError::HelperFailed {
        program: program.to_owned(),
        message: "its reader panicked".to_owned(),
    };
    let output = reader.join().map_err(panicked)?.map_err(start)?;
    Ok(Ended { program: program.to_owned(), status, output })
}

/// Waits for the end within `limit`; kills what takes longer and returns `None`.
fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn with_helper(script: &str, limit: Duration) -> Result<Option<Credential>, CredentialError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker-credential-test");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        ask(path.to_str().unwrap(), "https://index.docker.io/v1/", limit)
    }

    const ENOUGH: Duration = Duration::from_secs(20);

    #[test]
    fn a_helper_is_told_the_server_and_believed() {
        let script = r#"test "$1" = get && read server; printf '{"ServerURL":"%s","Username":"u","Secret":"%s"}' "$server" "$server""#;
        let password = "https://index.docker.io/v1/".to_owned();
        assert_eq!(
            with_helper(script, ENOUGH).unwrap(),
            Some(Credential::Password { user: "u".into(), password })
        );
        let token = r#"echo '{"ServerURL":"","Username":"<token>","Secret":"t"}'"#;
        assert_eq!(
            with_helper(token, ENOUGH).unwrap(),
            Some(Credential::IdentityToken("t".into()))
        );
    }

    #[test]
    fn a_helper_without_a_credential_is_no_failure_and_others_are() {
        let none = "echo 'credentials not found in native keychain'; exit 1";
        assert_eq!(with_helper(none, ENOUGH).unwrap(), None);
        for script in ["echo locked; exit 1", "exit 3", "echo nonsense", "yes | head -c 1000000"] {
            let error = with_helper(script, ENOUGH).unwrap_err();
            assert!(matches!(error, CredentialError::HelperFailed { .. }), "{script}: {error:?}");
        }
        let missing = get("isopod-test-does-not-exist", "x", ENOUGH);
        assert!(matches!(missing, Err(CredentialError::HelperStart { .. })));
    }

    #[test]
    fn a_helper_that_hangs_is_ended() {
        let begun = Instant::now();
        let error = with_helper("exec sleep 600", Duration::from_millis(100)).unwrap_err();
        assert!(matches!(error, CredentialError::HelperTimeout { .. }));
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_helpers_name_is_only_a_name() {
        for name in ["", "../x", "a/b", "a b", "x;y"] {
            assert!(
                matches!(get(name, "x", ENOUGH), Err(CredentialError::HelperName(_))),
                "{name}"
            );
        }
    }
}

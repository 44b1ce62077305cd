//! Hooks: programs that a container wants run around its life, with its state on their standard input
//! (runtime-spec, config.md, "POSIX-platform Hooks").

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oci_spec::runtime::Hook;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::record::HookState;

/// Output of a failing hook that is repeated, in bytes.
const REPEATED: u64 = 64 * 1024;

/// Why a container can't go on.
#[derive(Debug, thiserror::Error)]
#[error("error running {stage} hook #{index} ({path}): {reason}")]
pub struct HookError {
    stage: &'static str,
    index: usize,
    path: PathBuf,
    reason: Reason,
}

/// What came of one hook.
#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("{0}")]
    Start(io::Error),
    #[error("no end after {0} s")]
    Timeout(i64),
    #[error("{status}, output: {output}")]
    Status { status: std::process::ExitStatus, output: String },
}

/// Runs `hooks` one after the other until one fails; `environment` is for those that have none of their own.
///
/// # Errors
/// The first failure: it can't be executed, ends with another status than 0, or doesn't end in time.
pub fn run(
    stage: &'static str,
    hooks: &[Hook],
    state: &HookState<'_>,
    environment: &[String],
) -> Result<(), HookError> {
    for (index, hook) in hooks.iter().enumerate() {
        run_one(hook, state, environment).map_err(|reason| HookError {
            stage,
            index,
            path: hook.path().clone(),
            reason,
        })?;
    }
    Ok(())
}

/// Runs all of `hooks`, whatever becomes of each, and returns the failures: those after a container's start
/// and after its end change nothing any more.
pub fn run_all(stage: &'static str, hooks: &[Hook], state: &HookState<'_>) -> Vec<HookError> {
    let failed = |(index, hook): (usize, &Hook)| {
        let reason = run_one(hook, state, &[]).err()?;
        Some(HookError { stage, index, path: hook.path().clone(), reason })
    };
    hooks.iter().enumerate().filter_map(failed).collect()
}

fn run_one(hook: &Hook, state: &HookState<'_>, environment: &[String]) -> Result<(), Reason> {
    let state = serde_json::to_vec(state).map_err(|error| Reason::Start(error.into()))?;
    let mut command = Command::new(hook.path());
    match hook.args().as_deref().and_then(<[String]>::split_first) {
        Some((name, rest)) => command.arg0(name).args(rest),
        None => command.arg0(hook.path()),
    };
    let variables = hook.env().as_deref().unwrap_or(environment);
    let pairs = variables.iter().map(|variable| variable.split_once('=').unwrap_or((variable, "")));
    let (mut output, writer) = io::pipe().map_err(Reason::Start)?;
    let mut child = command
        .env_clear()
        .envs(pairs)
        .stdin(Stdio::piped())
        .stdout(writer.try_clone().map_err(Reason::Start)?)
        .stderr(writer)
        .spawn()
        .map_err(Reason::Start)?;
    // Or the output would have no end.
    drop(command);
    // Less than a pipe takes at once. A hook need not read it.
    child.stdin.take().map(|mut stdin| stdin.write_all(&state));
    let words = read_until_end(&mut child, &mut output, hook.timeout())?;
    let status = child.wait().map_err(Reason::Start)?;
    if status.success() { Ok(()) } else { Err(Reason::Status { status, output: words }) }
}

/// Takes the hook's output in until the hook has ended; what it left running in the background may go on writing
/// to nobody.
fn read_until_end(
    child: &mut Child,
    output: &mut io::PipeReader,
    timeout: Option<i64>,
) -> Result<String, Reason> {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or_else(|| Reason::Start(io::ErrorKind::InvalidData.into()))?;
    let handle =
        pidfd_open(pid, PidfdFlags::empty()).map_err(|error| Reason::Start(error.into()))?;
    let end = timeout.map(|seconds| {
        (seconds, Instant::now() + Duration::from_secs(seconds.try_into().unwrap_or(0)))
    });
    let mut words = Vec::new();
    let mut open = true;
    loop {
        let rest = match end {
            None => None,
            Some((seconds, end)) => match end.checked_duration_since(Instant::now()) {
                Some(rest) => Some(Timespec {
                    tv_sec: rest.as_secs().try_into().unwrap_or(i64::MAX),
                    tv_nsec: rest.subsec_nanos().into(),
                }),
                None => {
                    child.kill().ok();
                    child.wait().ok();
                    return Err(Reason::Timeout(seconds));
                }
            },
        };
        let mut ready = vec![PollFd::new(&handle, PollFlags::IN)];
        if open {
            ready.push(PollFd::new(&*output, PollFlags::IN));
        }
        match poll(&mut ready, rest.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Reason::Start(error.into())),
        }
        let ended = !ready[0].revents().is_empty();
        if open && ready.get(1).is_some_and(|output| !output.revents().is_empty()) {
            let mut bytes = [0; 4096];
            let count = output.read(&mut bytes).map_err(Reason::Start)?;
            open = count > 0;
            let room = usize::try_from(REPEATED).unwrap_or(usize::MAX) - words.len();
            words.extend(&bytes[..count.min(room)]);
        } else if ended {
            return Ok(String::from_utf8_lossy(&words).trim_end().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;
    use oci_spec::runtime::HookBuilder;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn shell(script: &str) -> HookBuilder {
        let args = ["sh", "-c", script].map(str::to_owned).to_vec();
        HookBuilder::default().path("/bin/sh").args(args)
    }

    fn attempt(hooks: &[Hook], environment: &[String]) -> Result<(), String> {
        let annotations = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let state = HookState {
            oci_version: "1.0.2",
            id: "c1",
            status: Status::Creating,
            pid: Some(17),
            bundle: Path::new("/bundle"),
            annotations: &annotations,
        };
        run("prestart", hooks, &state, environment).map_err(|error| error.to_string())
    }

    #[test]
    fn a_hook_reads_the_state_and_sees_its_own_environment_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (state, env) = (folder.path().join("state"), folder.path().join("env"));
        let script = format!("cat > {}; /usr/bin/env > {}", state.display(), env.display());
        let own = shell(&script).env(vec!["ONE=1".to_owned()]).build().unwrap();
        attempt(&[own], &["OTHER=2".to_owned()]).unwrap();
        let read = std::fs::read(&state).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&read).unwrap();
        let expected = serde_json::json!({
            "ociVersion": "1.0.2", "id": "c1", "status": "creating", "pid": 17,
            "bundle": "/bundle", "annotations": {"a": "b"},
        });
        assert_eq!(read, expected);
        let seen = std::fs::read_to_string(&env).unwrap();
        assert!(seen.contains("ONE=1") && !seen.contains("OTHER"), "{seen}");
        attempt(&[shell(&script).build().unwrap()], &["OTHER=2".to_owned()]).unwrap();
        assert!(std::fs::read_to_string(&env).unwrap().contains("OTHER=2"));
    }

    #[test]
    fn the_first_failure_ends_the_row_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let hooks = [
            shell("true").build().unwrap(),
            shell("echo out; echo err >&2; exit 3").build().unwrap(),
            shell(&format!("touch {}", mark.display())).build().unwrap(),
        ];
        let error = attempt(&hooks, &[]).unwrap_err();
        let expected = "error running prestart hook #1 (/bin/sh): exit status: 3, output: out\nerr";
        assert_eq!(error, expected);
        assert!(!mark.exists());
    }

    #[test]
    fn a_hook_that_takes_too_long_is_killed_and_one_in_the_background_is_not_waited_for() {
        let begin = Instant::now();
        let error =
            attempt(&[shell("exec sleep 60").timeout(1).build().unwrap()], &[]).unwrap_err();
        assert!(error.ends_with("no end after 1 s"), "{error}");
        attempt(&[shell("sleep 2 & exit 0").build().unwrap()], &[]).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(40));
    }

    #[test]
    fn a_hook_that_is_not_there_is_named() {
        let hook = HookBuilder::default().path("/no/such/hook").build().unwrap();
        let error = attempt(&[hook], &[]).unwrap_err();
        assert!(error.starts_with("error running prestart hook #0 (/no/such/hook): No such"));
    }
}

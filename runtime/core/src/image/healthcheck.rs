//! The HEALTHCHECK instruction of a Dockerfile (docker's reference of Dockerfiles, «HEALTHCHECK»).

use std::time::Duration;

use isopod_image::config::Healthcheck;
use isopod_spec::quantity;

/// docker's shortest time; 0 is the runtime's default.
const SHORTEST: Duration = Duration::from_millis(1);

/// Reads what follows the instruction's name: `NONE`, or options, `CMD`, and a command as JSON or as a line.
///
/// # Errors
/// Why it can't be, as a fragment.
pub fn parse(text: &str) -> Result<Healthcheck, String> {
    let mut check = Healthcheck::default();
    let mut rest = text.trim();
    let mut has_options = false;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
        set(&mut check, option)?;
        rest = after.trim_start();
        has_options = true;
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    match (kind.to_ascii_uppercase().as_str(), command) {
        ("NONE", "") if !has_options => check.test = vec!["NONE".to_owned()],
        ("NONE", _) => return Err("NONE stands alone".to_owned()),
        ("CMD", "") => return Err("CMD has no command".to_owned()),
        ("CMD", command) => check.test = test(command),
        _ => return Err("what follows its options is NONE or CMD and a command".to_owned()),
    }
    Ok(check)
}

fn test(command: &str) -> Vec<String> {
    let words = command.starts_with('[').then(|| serde_json::from_str::<Vec<String>>(command));
    match words {
        Some(Ok(words)) => ["CMD".to_owned()].into_iter().chain(words).collect(),
        _ => vec!["CMD-SHELL".to_owned(), command.to_owned()],
    }
}

fn set(check: &mut Healthcheck, option: &str) -> Result<(), String> {
    let (name, value) = option
        .split_once('=')
        .ok_or_else(|| format!("--{option} has no value: write --{option}=…"))?;
    let time = || match quantity::duration(value) {
        Some(time) if time.is_zero() || time >= SHORTEST => Ok(time),
        Some(_) => Err(format!("--{name}={value} is shorter than 1ms")),
        None => Err(format!("--{name}={value} is no duration")),
    };
    match name {
        "interval" => check.interval = time()?,
        "timeout" => check.timeout = time()?,
        "start-period" => check.start_period = time()?,
        "start-interval" => check.start_interval = time()?,
        "retries" => {
            check.retries = value.parse().map_err(|_| format!("--retries={value} is no count"))?;
        }
        _ => {
            return Err(format!(
                "--{name} is none of its options: interval, timeout, start-period, \
                 start-interval and retries"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of docker's reference.
    #[test]
    fn checks_mean_what_the_dockerfile_reference_says() {
        let check = parse("--interval=5m --timeout=3s CMD curl -f http://localhost/ || exit 1");
        let check = check.unwrap();
        assert_eq!(check.test, ["CMD-SHELL", "curl -f http://localhost/ || exit 1"]);
        assert_eq!(
            (check.interval, check.timeout),
            (Duration::from_secs(300), Duration::from_secs(3))
        );
        let check = parse(
            "--start-period=1m30s --start-interval=500ms --retries=4  cmd [\"check\", \"it now\"]",
        );
        let check = check.unwrap();
        assert_eq!(check.test, ["CMD", "check", "it now"]);
        assert_eq!(check.start_period, Duration::from_secs(90));
        assert_eq!((check.start_interval, check.retries), (Duration::from_millis(500), 4));
        assert_eq!(parse("none").unwrap().test, ["NONE"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("curl", "CMD"),
            ("CMD", "no command"),
            ("NONE x", "alone"),
            ("--interval=1s NONE", "alone"),
            ("--interval=1 CMD x", "--interval=1"),
            ("--timeout=1us CMD x", "1ms"),
            ("--retries=-1 CMD x", "--retries=-1"),
            ("--interval 1s CMD x", "--interval=…"),
            ("--colour=red CMD x", "colour"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}

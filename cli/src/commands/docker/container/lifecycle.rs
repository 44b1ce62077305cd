//! `--restart` and `--health-…`: what becomes of a container while nobody looks.

use isopod_runtime::container::{HealthSettings, Restart};

use super::options::Options;
use crate::error::Error;

/// The policy that `--restart` names.
///
/// # Errors
/// There is none of this name; a count that is none, or where none belongs.
pub fn restart(text: Option<&str>) -> Result<Restart, Error> {
    let text = text.unwrap_or_default();
    let error = |reason: &str| Error::Value {
        what: "--restart",
        value: text.to_owned(),
        reason: reason.to_owned(),
    };
    let (name, count) = match text.split_once(':') {
        Some((name, count)) => (name, Some(count)),
        None => (text, None),
    };
    let policy = match name {
        "" | "no" => Restart::No,
        "always" => Restart::Always,
        "unless-stopped" => Restart::UnlessStopped,
        "on-failure" => {
            let max = count
                .map(|count| count.parse().map_err(|_| error("the most restarts are a number")))
                .transpose()?;
            // docker's 0 is no limit.
            return Ok(Restart::OnFailure { max: max.filter(|max| *max > 0) });
        }
        _ => {
            return Err(error("policies are no, always, unless-stopped and on-failure[:NUMBER]"));
        }
    };
    match count {
        Some(_) => Err(error("only on-failure takes the most restarts")),
        None => Ok(policy),
    }
}

/// What the options say about health checks.
///
/// # Errors
/// A time that is none; `--no-healthcheck` beside the others.
pub fn health(options: &Options) -> Result<HealthSettings, Error> {
    let time = |what: &'static str, text: &Option<String>| {
        text.as_deref().map(|text| nanoseconds(what, text)).transpose()
    };
    let health = HealthSettings {
        disabled: false,
        test: options
            .health_cmd
            .as_ref()
            .filter(|line| !line.is_empty())
            .map(|line| vec!["CMD-SHELL".to_owned(), line.clone()]),
        interval: time("--health-interval", &options.health_interval)?,
        timeout: time("--health-timeout", &options.health_timeout)?,
        start_period: time("--health-start-period", &options.health_start_period)?,
        start_interval: time("--health-start-interval", &options.health_start_interval)?,
        retries: options.health_retries,
    };
    if !options.no_healthcheck {
        return Ok(health);
    }
    if health != HealthSettings::default() {
        return Err(Error::Argument(
            "--no-healthcheck and the other --health options exclude each other".to_owned(),
        ));
    }
    Ok(HealthSettings { disabled: true, ..health })
}

/// Nanoseconds of a time in Go's notation: `1m30s`, `1.5h`, `500ms`; `0` alone needs no unit.
fn nanoseconds(what: &'static str, text: &str) -> Result<u64, Error> {
    let error =
        |reason: &str| Error::Value { what, value: text.to_owned(), reason: reason.to_owned() };
    if text == "0" {
        return Ok(0);
    }
    if text.starts_with('-') {
        return Err(error("it can't be negative"));
    }
    let malformed = || error("give numbers with their units, as in 1m30s, 1.5h or 500ms");
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total: f64 = 0.0;
    if rest.is_empty() {
        return Err(malformed());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(malformed()),
        };
        total += number.parse::<f64>().map_err(|_| malformed())? * scale;
        rest = tail;
    }
    // Go's durations end here, at 292 years.
    if total > i64::MAX as f64 {
        return Err(error("it is too long"));
    }
    Ok(total.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_docker_reads_them() {
        for (text, policy) in [
            ("", Restart::No),
            ("no", Restart::No),
            ("always", Restart::Always),
            ("unless-stopped", Restart::UnlessStopped),
            ("on-failure", Restart::OnFailure { max: None }),
            ("on-failure:0", Restart::OnFailure { max: None }),
            ("on-failure:3", Restart::OnFailure { max: Some(3) }),
        ] {
            assert_eq!(restart(Some(text)).unwrap(), policy, "{text}");
        }
        assert_eq!(restart(None).unwrap(), Restart::No);
        for wrong in ["never", "always:3", "no:1", "on-failure:x", "on-failure:-1", "on-failure:"] {
            let error = restart(Some(wrong)).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    /// Examples of Go's `time.ParseDuration`.
    #[test]
    fn times_are_read_as_go_reads_them() {
        for (text, nanos) in [
            ("0", 0),
            ("5s", 5_000_000_000),
            ("1478s", 1_478_000_000_000),
            ("5.s", 5_000_000_000),
            (".5s", 500_000_000),
            ("3h30m", 12_600_000_000_000),
            ("10.5s4m", 250_500_000_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
        ] {
            assert_eq!(nanoseconds("--health-interval", text).unwrap(), nanos, "{text}");
        }
        for wrong in ["", "3", "-", "s", ".", "-5s", "5x", "3000000h", "."] {
            assert!(nanoseconds("--health-interval", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_healthcheck_stands_alone() {
        let alone = Options { no_healthcheck: true, ..Options::default() };
        assert!(health(&alone).unwrap().disabled);
        let with = Options { health_retries: Some(2), ..alone };
        assert!(health(&with).is_err());
        let checked = Options {
            health_cmd: Some("true".into()),
            health_interval: Some("2s".into()),
            ..Options::default()
        };
        let expected = HealthSettings {
            test: Some(vec!["CMD-SHELL".into(), "true".into()]),
            interval: Some(2_000_000_000),
            ..HealthSettings::default()
        };
        assert_eq!(health(&checked).unwrap(), expected);
    }
}

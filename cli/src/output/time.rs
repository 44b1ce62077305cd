//! Times and durations as docker writes them.

use chrono::{DateTime, FixedOffset, Local, SecondsFormat, TimeDelta, Utc};
use isopod_spec::quantity;

/// `2 minutes`, `About an hour`: go-units' `HumanDuration`.
#[must_use]
pub fn human(duration: TimeDelta) -> String {
    let seconds = duration.num_seconds();
    let minutes = duration.num_minutes();
    // Rounded, as the original does from here on.
    let hours = (duration.num_seconds() + 1800) / 3600;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", duration.num_hours() / 24 / 365),
    }
}

/// `2 minutes ago`, seen from `now`.
#[must_use]
pub fn ago(then: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ago", human(now - then))
}

/// `2024-05-04 10:21:03 +0000 UTC`: Go's default form, in local time (docker's `{{.CreatedAt}}`).
#[must_use]
pub fn go_default(time: DateTime<Utc>) -> String {
    let local = time.with_timezone(&Local);
    if local.offset().local_minus_utc() == 0 {
        return time.format("%Y-%m-%d %H:%M:%S +0000 UTC").to_string();
    }
    // Go prints the zone's abbreviation here; without one it prints the offset twice.
    local.format("%Y-%m-%d %H:%M:%S %z %z").to_string()
}

/// RFC 3339 with nanoseconds, trailing zeros dropped (Go's `RFC3339Nano`, docker's JSON).
#[must_use]
pub fn rfc3339_nano(time: DateTime<Utc>) -> String {
    trim_fraction(&time.to_rfc3339_opts(SecondsFormat::Nanos, true))
}

/// docker's way to say that something has not happened: Go's zero time.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

fn trim_fraction(text: &str) -> String {
    let Some(body) = text.strip_suffix('Z') else { return text.to_owned() };
    let body =
        if body.contains('.') { body.trim_end_matches('0').trim_end_matches('.') } else { body };
    format!("{body}Z")
}

/// A point in time on a command line: RFC 3339 with or without zone and parts, Unix
/// seconds with a fraction, or a Go duration before now (`10m`, `1h30m`).
#[must_use]
pub fn parse_point(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Some(delta) = parse_duration(text) {
        return now.checked_sub_signed(delta);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&Utc));
    }
    parse_unix(text).or_else(|| parse_partial(text))
}

fn parse_unix(text: &str) -> Option<DateTime<Utc>> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if seconds.is_empty() || !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse().ok()?;
    DateTime::from_timestamp(seconds.parse().ok()?, nanos)
}

/// The forms without a zone are local time, as docker reads them.
fn parse_partial(text: &str) -> Option<DateTime<Utc>> {
    const FORMS: [&str; 3] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"];
    let local = |naive: chrono::NaiveDateTime| {
        let time: DateTime<FixedOffset> =
            naive.and_local_timezone(Local).earliest()?.fixed_offset();
        Some(time.with_timezone(&Utc))
    };
    for form in FORMS {
        if let Ok(naive) = chrono::NaiveDateTime::parse_from_str(text, form) {
            return local(naive);
        }
    }
    let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    local(date.and_hms_opt(0, 0, 0)?)
}

/// A Go duration: decimal numbers, each with a unit (`1h30m`, `1.5s`, `300ms`).
#[must_use]
pub fn parse_duration(text: &str) -> Option<TimeDelta> {
    quantity::duration(text).and_then(|duration| TimeDelta::from_std(duration).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of go-units' published test.
    #[test]
    fn durations_are_written_as_docker_writes_them() {
        let day = 24 * 3600;
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (45, "45 seconds"),
            (60, "About a minute"),
            (90, "About a minute"),
            (180, "3 minutes"),
            (3600, "About an hour"),
            (45 * 60 + 3600, "2 hours"),
            (3 * 3600, "3 hours"),
            (day, "24 hours"),
            (day + 12 * 3600, "36 hours"),
            (2 * day, "2 days"),
            (7 * day, "7 days"),
            (13 * day + 5 * 3600, "13 days"),
            (14 * day, "2 weeks"),
            (30 * day, "4 weeks"),
            (60 * day, "2 months"),
            (365 * day, "12 months"),
            (730 * day, "2 years"),
            (1095 * day, "3 years"),
        ] {
            assert_eq!(human(TimeDelta::seconds(seconds)), text, "{seconds} s");
        }
    }

    #[test]
    fn points_in_time_are_read_in_every_form_docker_takes() {
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let at = |seconds, nanos| DateTime::from_timestamp(seconds, nanos);
        assert_eq!(parse_point("10m", now), at(999_400, 0));
        assert_eq!(parse_point("1h30m", now), at(994_600, 0));
        assert_eq!(parse_point("1.5s", now), at(999_998, 500_000_000));
        assert_eq!(parse_point("1136073845", now), at(1_136_073_845, 0));
        assert_eq!(parse_point("1136073845.000000001", now), at(1_136_073_845, 1));
        assert_eq!(parse_point("2006-01-02T15:04:05Z", now), at(1_136_214_245, 0));
        assert_eq!(parse_point("2006-01-02T15:04:05+01:00", now), at(1_136_210_645, 0));
        assert!(parse_point("2006-01-02", now).is_some());
        for wrong in ["", "yesterday", "10", "m", "10x", "-5m"] {
            let parsed = parse_point(wrong, now);
            assert!(parsed.is_none() || wrong == "10", "{wrong}: {parsed:?}");
        }
    }

    #[test]
    fn json_times_have_no_trailing_zeros() {
        let at = |nanos| rfc3339_nano(DateTime::from_timestamp(0, nanos).unwrap());
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(120_000_000), "1970-01-01T00:00:00.12Z");
    }
}

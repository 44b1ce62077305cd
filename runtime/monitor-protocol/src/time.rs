//! Times without a date library: the monitor needs none.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A wall-clock time: nanoseconds since 1970-01-01T00:00:00Z.
///
/// Displayed as RFC 3339 in UTC with as many digits of the second as are not zero, as Go's
/// `RFC3339Nano` does, which docker's and CRI's logs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

const NANOS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

impl Timestamp {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self(since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.div_euclid(NANOS), self.0.rem_euclid(NANOS));
        let (year, month, day) = civil(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if nanos > 0 {
            let mut digits = nanos;
            let mut width = 9;
            while digits % 10 == 0 {
                digits /= 10;
                width -= 1;
            }
            write!(f, ".{digits:0width$}")?;
        }
        f.write_str("Z")
    }
}

/// The date of a day counted from 1970-01-01: years are counted from March, so that the leap
/// day is a year's last and months have a regular pattern (153 days each five).
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    const FROM_0000_03_01: i64 = 719_468;
    let days = days + FROM_0000_03_01;
    let era = days.div_euclid(DAYS_OF_400_YEARS);
    let of_era = days.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_era =
        (of_era - of_era / 1_460 + of_era / 36_524 - of_era / (DAYS_OF_400_YEARS - 1)) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn times_read_as_gnu_date_writes_them() {
        let step = 86_400 * 17 + 12_345;
        let seconds: Vec<i64> = (0..400).map(|n| -5_000_000_000 + n * step * 19).collect();
        let input: String = seconds.iter().map(|s| format!("@{s}\n")).collect();
        let file = std::env::temp_dir().join(format!("isopod-times-{}", std::process::id()));
        std::fs::write(&file, input).unwrap();
        let output = Command::new("date")
            .args(["-u", "+%Y-%m-%dT%H:%M:%SZ", "-f"])
            .arg(&file)
            .output()
            .unwrap();
        std::fs::remove_file(&file).unwrap();
        let expected = String::from_utf8(output.stdout).unwrap();
        let ours: String = seconds.iter().map(|s| format!("{}\n", Timestamp(s * NANOS))).collect();
        assert_eq!(ours, expected);
    }

    #[test]
    fn trailing_zeros_of_the_second_are_left_out() {
        assert_eq!(Timestamp(1_500_000_000).to_string(), "1970-01-01T00:00:01.5Z");
        assert_eq!(Timestamp(1_000_000_020).to_string(), "1970-01-01T00:00:01.00000002Z");
        assert_eq!(Timestamp(1_012_345_678).to_string(), "1970-01-01T00:00:01.012345678Z");
    }
}

//! Sizes and processor counts as command lines write them: `64m`, `1.5g`, `0.5` CPUs.

use std::time::Duration;

/// Why a quantity is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum QuantityError {
    /// Not a number with a unit.
    #[error("{0:?} is no size: a number and one of b, k, m, g, t, p")]
    Size(String),
    /// Not a decimal number.
    #[error("{0:?} is no number of processors: digits, up to nine after the point")]
    Cpus(String),
    /// Does not fit 63 bits.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

/// Reads a size in bytes: `128`, `64m`, `64MB`, `64MiB`, `1.5g`; units are powers of 1024,
/// as docker's `RAMInBytes` has them. At most 63 bits, since the kernel's files are signed.
///
/// # Errors
/// See [`QuantityError`].
pub fn bytes(text: &str) -> Result<u64, QuantityError> {
    let malformed = || QuantityError::Size(text.to_owned());
    let end = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let exponent = match unit.as_str() {
        "" | "b" => 0,
        other => {
            let mut letters = other.chars();
            let power = letters.next().and_then(|letter| "kmgtp".find(letter));
            match (power, letters.as_str()) {
                (Some(power), "" | "b" | "ib") => power + 1,
                _ => return Err(malformed()),
            }
        }
    };
    let scale = 1u128 << (10 * exponent);
    let (whole, fraction) = decimal(number).ok_or_else(malformed)?;
    let too_large = || QuantityError::TooLarge(text.to_owned());
    let whole: u128 = whole.parse().map_err(|_| too_large())?;
    let whole = whole.checked_mul(scale).ok_or_else(too_large)?;
    let value = whole + scaled_fraction(fraction, scale);
    u64::try_from(value).ok().filter(|v| i64::try_from(*v).is_ok()).ok_or_else(too_large)
}

/// Reads a number of processors (`2`, `0.5`, `.25`) as billionths of one.
///
/// # Errors
/// See [`QuantityError`]; more than nine digits after the point say more than is kept.
pub fn nano_cpus(text: &str) -> Result<u64, QuantityError> {
    let malformed = || QuantityError::Cpus(text.to_owned());
    let (whole, fraction) = decimal(text).ok_or_else(malformed)?;
    if fraction.len() > 9 {
        return Err(malformed());
    }
    let too_large = || QuantityError::TooLarge(text.to_owned());
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    let whole = whole.checked_mul(1_000_000_000).ok_or_else(too_large)?;
    let value = u128::from(whole) + scaled_fraction(fraction, 1_000_000_000);
    u64::try_from(value).ok().filter(|v| i64::try_from(*v).is_ok()).ok_or_else(too_large)
}

/// `12.5` as ("12", "5"), `.5` as ("0", "5"); digits and at most one point.
fn decimal(text: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    Some((if whole.is_empty() { "0" } else { whole }, fraction))
}

/// `0.<digits>` times `scale`, rounded down; digits past the eighteenth change nothing.
fn scaled_fraction(digits: &str, scale: u128) -> u128 {
    let kept = &digits[..digits.len().min(18)];
    let value: u128 = kept.parse().unwrap_or(0);
    value * scale / 10u128.pow(kept.len() as u32)
}

/// A Go duration: decimal numbers, each with a unit (`1h30m`, `1.5s`, `300ms`); up to 292 years.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        // The sign for micro, and the Greek letter.
        ("\u{b5}s", 1e3),
        ("\u{3bc}s", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 60e9),
        ("h", 3600e9),
    ];
    let mut rest = text;
    let mut total = 0.0;
    // The one number that needs no unit.
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value: f64 = rest[..number].parse().ok()?;
        rest = &rest[number..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let (_, scale) = UNITS.iter().find(|(unit, _)| *unit == &rest[..end])?;
        total += value * scale;
        rest = &rest[end..];
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked against the range just here")]
    #[expect(clippy::cast_sign_loss, reason = "no part of it has a sign")]
    (total < i64::MAX as f64).then(|| Duration::from_nanos(total as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        // The cases of go-units' TestRAMInBytes that Go and Rust both can express.
        for (text, expected) in [
            ("32", 32),
            ("32b", 32),
            ("32B", 32),
            ("32k", 32 << 10),
            ("32K", 32 << 10),
            ("32kb", 32 << 10),
            ("32Kb", 32 << 10),
            ("32KiB", 32 << 10),
            ("32Mb", 32 << 20),
            ("32MB", 32 << 20),
            ("32g", 32 << 30),
            ("32Gb", 32 << 30),
            ("32Tb", 32 << 40),
            ("8Pb", 8 << 50),
            ("32.3", 32),
            ("32.5kB", 33_280),
            ("32.5 kB", 33_280),
            (".5m", 512 << 10),
            ("0", 0),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in [
            "", "hello", "-32", "32. 5", "32  k", " 32", "32m b", "32bm", "3x", "1e3", ".", "k",
            "0x10", "+1", "12é",
        ] {
            assert_eq!(bytes(text), Err(QuantityError::Size(text.to_owned())), "{text:?}");
        }
        assert!(matches!(bytes("8192p"), Err(QuantityError::TooLarge(_))));
        assert!(matches!(bytes(&"9".repeat(60)), Err(QuantityError::TooLarge(_))));
    }

    #[test]
    fn processors_are_read_to_the_billionth() {
        for (text, expected) in [
            ("1", 1_000_000_000),
            ("0.5", 500_000_000),
            (".25", 250_000_000),
            ("1.000000001", 1_000_000_001),
        ] {
            assert_eq!(nano_cpus(text), Ok(expected), "{text}");
        }
        for text in ["", ".", "-1", "1,5", "1.0000000001", "1e2", "two"] {
            assert_eq!(nano_cpus(text), Err(QuantityError::Cpus(text.to_owned())), "{text}");
        }
        assert!(matches!(nano_cpus("99999999999999999999"), Err(QuantityError::TooLarge(_))));
    }

    proptest! {
        /// The forms of Go's `time.ParseDuration` without signs, and its units.
        #[test]
        fn durations_are_what_go_reads(
            text in r"([0-9]{0,4}\.?[0-9]{0,3}(ns|us|µs|μs|ms|s|m|h|d|)){0,3}|[0-9.hms -]{0,8}|0"
        ) {
            let one = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h)";
            let grammar = regex::Regex::new(&format!(r"\A(?:0|(?:{one})+)\z")).unwrap();
            prop_assert_eq!(duration(&text).is_some(), grammar.is_match(&text), "{}", text);
        }

        #[test]
        fn whole_durations_are_exact(hours in 0u64..9000, minutes in 0u64..99, millis in 0u64..99_999) {
            let expected = (hours * 3600 + minutes * 60) * 1000 + millis;
            let read = duration(&format!("{hours}h{minutes}m{millis}ms"));
            prop_assert_eq!(read, Some(Duration::from_millis(expected)));
        }

        /// docker's `RAMInBytes`: a number, perhaps a blank, and a unit in either case.
        #[test]
        fn sizes_are_what_docker_reads(text in r"[0-9]{0,4}\.?[0-9]{0,2} ?[bkmgtpeBKMGTPi]{0,3}|[0-9kmgb. -]{0,6}") {
            let number = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)";
            let grammar = format!(r"\A{number} ?(?i:b|[kmgtp](?:i?b)?)?\z");
            let grammar = regex::Regex::new(&grammar).unwrap();
            let is_size = !matches!(bytes(&text), Err(QuantityError::Size(_)));
            prop_assert_eq!(is_size, grammar.is_match(&text), "{}", text);
        }

        #[test]
        fn whole_sizes_are_exact(number in 0u64..1 << 33, unit in 0usize..4) {
            let suffix = ["", "k", "m", "g"][unit];
            let expected = u128::from(number) << (10 * unit);
            prop_assert_eq!(
                bytes(&format!("{number}{suffix}")).ok(),
                u64::try_from(expected).ok().filter(|v| i64::try_from(*v).is_ok())
            );
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}|[0-9.]{0,40}[kmgtpib]{0,3}") {
            let _ = (bytes(&text), nano_cpus(&text));
        }
    }
}

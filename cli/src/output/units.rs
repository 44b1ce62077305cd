//! Sizes as the originals write them: docker's decimal and binary units with a number of
//! significant digits (go-units), and ctr's binary units with one decimal.

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/// `117MB`: three significant digits, powers of 1000 (docker's tables).
#[must_use]
pub fn decimal(bytes: u64) -> String {
    scaled(bytes, 1000.0, &DECIMAL, 3)
}

/// `16.43MB`: four significant digits, powers of 1000 (docker's sums).
#[must_use]
pub fn decimal_sum(bytes: u64) -> String {
    scaled(bytes, 1000.0, &DECIMAL, 4)
}

/// `1.944GiB`: four significant digits, powers of 1024 (docker's memory figures).
#[must_use]
pub fn binary(bytes: u64) -> String {
    scaled(bytes, 1024.0, &BINARY, 4)
}

/// `41.6 MiB`: one decimal, powers of 1024, a space (ctr's tables).
#[must_use]
pub fn ctr(bytes: u64) -> String {
    let (value, unit) = reduce(bytes, 1024.0);
    format!("{value:.1} {}", BINARY[unit])
}

fn scaled(bytes: u64, base: f64, units: &[&str; 9], digits: usize) -> String {
    let (value, unit) = reduce(bytes, base);
    // A value that rounds up to the base is written in the next unit: 1MB, never 1e+03kB.
    let rounded = significant(value, digits);
    if rounded.parse::<f64>().is_ok_and(|v| v >= base) && unit + 1 < units.len() {
        return format!("1{}", units[unit + 1]);
    }
    format!("{rounded}{}", units[unit])
}

#[expect(clippy::cast_precision_loss, reason = "rounded to a few digits anyway")]
fn reduce(bytes: u64, base: f64) -> (f64, usize) {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit < 8 {
        value /= base;
        unit += 1;
    }
    (value, unit)
}

/// C's `%.<digits>g` for values from 0 to below 1024: no trailing zeros.
fn significant(value: f64, digits: usize) -> String {
    let whole = if value >= 1000.0 {
        4
    } else if value >= 100.0 {
        3
    } else if value >= 10.0 {
        2
    } else {
        1
    };
    let text = format!("{value:.*}", digits.saturating_sub(whole));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected results from go-units' own published tests and from docker's output.
    #[test]
    fn sizes_are_written_as_docker_writes_them() {
        assert_eq!(decimal(0), "0B");
        assert_eq!(decimal(999), "999B");
        assert_eq!(decimal(1000), "1kB");
        assert_eq!(decimal(4_261_000), "4.26MB");
        assert_eq!(decimal(116_600_000), "117MB");
        assert_eq!(decimal(1_424_000_000), "1.42GB");
        assert_eq!(decimal(999_999), "1MB");
        assert_eq!(decimal_sum(0), "0B");
        assert_eq!(decimal_sum(16_430_000), "16.43MB");
        assert_eq!(decimal_sum(999_990), "1MB");
        assert_eq!(binary(1024), "1KiB");
        assert_eq!(binary(1024 * 1024), "1MiB");
        assert_eq!(binary(2_087_583_744), "1.944GiB");
        assert_eq!(binary(3_420_000_000), "3.185GiB");
    }

    #[test]
    fn sizes_are_written_as_ctr_writes_them() {
        assert_eq!(ctr(0), "0.0 B");
        assert_eq!(ctr(528), "528.0 B");
        assert_eq!(ctr(43_620_761), "41.6 MiB");
    }
}

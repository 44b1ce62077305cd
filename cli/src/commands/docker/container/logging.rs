//! `--log-driver` and `--log-opt`.

use isopod_runtime::container::{LogAttributes, LogConfig, LogWriting};

use isopod_spec::quantity;

use crate::error::Error;

/// How much waits for a slow disk in docker's mode `non-blocking` unless told otherwise, in bytes (moby's ring of messages).
const BUFFER: u64 = 1_000_000;

/// The log that the two flags describe; json-file unless told otherwise.
///
/// # Errors
/// A driver or option that is not known, a size or number that is none.
pub fn parse(driver: Option<&str>, options: &[String]) -> Result<LogConfig, Error> {
    let mut max_size = None;
    let mut max_files = None;
    let mut attributes = LogAttributes::default();
    let (mut compress, mut is_blocking, mut max_buffer) = (None, true, None);
    let pairs: Vec<(&str, &str)> = options.iter().map(|option| split(option)).collect();
    match driver {
        Some("none") => {
            return match pairs.first() {
                None => Ok(LogConfig::None),
                Some((key, _)) => Err(error(key, "the log driver none has no options")),
            };
        }
        None | Some("json-file" | "local") => {}
        Some(other) => {
            return Err(Error::Value {
                what: "--log-driver",
                value: other.to_owned(),
                reason: "log drivers are json-file, local and none".to_owned(),
            });
        }
    }
    for (option, (key, value)) in options.iter().zip(pairs) {
        match key {
            "max-size" if value == "-1" => max_size = None,
            "max-size" => {
                max_size = Some(size(value).ok_or_else(|| error(option, "it is no size"))?);
            }
            "max-file" => {
                let number = value.parse().ok().filter(|n| *n >= 1);
                max_files = Some(number.ok_or_else(|| error(option, "it is no number above 0"))?);
            }
            "labels" => attributes.labels = words(value),
            "labels-regex" => attributes.labels_regex = text(value),
            "env" => attributes.env = words(value),
            "env-regex" => attributes.env_regex = text(value),
            "tag" => attributes.tag = text(value),
            "mode" => {
                is_blocking = match value {
                    "" | "blocking" => true,
                    "non-blocking" => false,
                    _ => return Err(error(option, "modes are blocking and non-blocking")),
                };
            }
            "max-buffer-size" => {
                let bytes = quantity::bytes(value).map_err(|_| error(option, "it is no size"))?;
                max_buffer = Some((option, bytes));
            }
            "compress" => {
                let wanted = truth(value).ok_or_else(|| error(option, "say true or false"))?;
                compress = Some(wanted);
            }
            _ => {
                return Err(error(
                    option,
                    "options are max-size, max-file, labels, labels-regex, env, env-regex, tag, mode, \
                     max-buffer-size and compress",
                ));
            }
        }
    }
    let max_buffer = match (is_blocking, max_buffer) {
        (true, Some((option, _))) => {
            return Err(error(
                option,
                "only lines that don't hold the container up wait: mode=non-blocking",
            ));
        }
        (true, None) => None,
        (false, given) => Some(given.map_or(BUFFER, |(_, bytes)| bytes)),
    };
    if driver == Some("local") {
        if !attributes.is_empty() {
            return Err(error(
                "local",
                "labels, variables and tags are for the log driver json-file",
            ));
        }
        // docker's defaults for it.
        let (max_size, max_files) = (max_size.unwrap_or(20_000_000), max_files.unwrap_or(5));
        if compress == Some(true) && max_files < 2 {
            return Err(error("compress=true", NOTHING_ROTATED));
        }
        let compress = compress.unwrap_or(true) && max_files > 1;
        let writing = LogWriting { compress, max_buffer };
        return Ok(LogConfig::Local { max_size, max_files, writing });
    }
    if max_size.is_none() && max_files.is_some_and(|n: u32| n > 1) {
        return Err(error("max-file", "without max-size there is only one file"));
    }
    let max_files = max_files.unwrap_or(1);
    let compress = compress.unwrap_or(false);
    if compress && (max_size.is_none() || max_files < 2) {
        return Err(error("compress=true", NOTHING_ROTATED));
    }
    let writing = LogWriting { compress, max_buffer };
    Ok(LogConfig::JsonFile { max_size, max_files, attributes, writing })
}

const NOTHING_ROTATED: &str =
    "only rotated files are compressed: say max-size, and max-file with at least 2";

/// Go's `ParseBool`, as docker reads it.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Names between commas; docker knows no blanks beside them.
fn words(list: &str) -> Vec<String> {
    list.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn split(option: &str) -> (&str, &str) {
    option.split_once('=').unwrap_or((option, ""))
}

fn error(option: &str, reason: &str) -> Error {
    Error::Value { what: "--log-opt", value: option.to_owned(), reason: reason.to_owned() }
}

/// docker reads these sizes by powers of 1000, unlike those of memory.
fn size(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let (number, power) = match text.char_indices().last()? {
        (index, unit) if unit.is_ascii_alphabetic() => {
            (&text[..index], "kmgt".find(unit)? as u32 + 1)
        }
        _ => (text, 0),
    };
    number.parse::<u64>().ok()?.checked_mul(1000_u64.checked_pow(power)?).filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(driver: Option<&str>, options: &[&str]) -> Result<LogConfig, Error> {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        parse(driver, &options)
    }

    #[test]
    fn sizes_of_logs_are_decimal() {
        let log = parsed(None, &["max-size=10m", "max-file=3"]).unwrap();
        let attributes = LogAttributes::default();
        let writing = LogWriting::default();
        let expected =
            LogConfig::JsonFile { max_size: Some(10_000_000), max_files: 3, attributes, writing };
        assert_eq!(log, expected);
        assert_eq!(size("5kb"), Some(5000));
        assert_eq!(size("5"), Some(5));
        for wrong in ["", "m", "0", "1.5m", "-1", "1x"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    /// docker's documentation of the `local` driver: 20m, 5 files, compressed.
    #[test]
    fn the_local_driver_rotates_by_itself() {
        let log = parsed(Some("local"), &[]).unwrap();
        let mut writing = LogWriting { compress: true, max_buffer: None };
        assert_eq!(log, LogConfig::Local { max_size: 20_000_000, max_files: 5, writing });
        writing.compress = false;
        let log = parsed(Some("local"), &["max-size=1k", "max-file=2", "compress=false"]).unwrap();
        assert_eq!(log, LogConfig::Local { max_size: 1000, max_files: 2, writing });
        let log = parsed(Some("local"), &["max-file=1"]).unwrap();
        assert_eq!(log, LogConfig::Local { max_size: 20_000_000, max_files: 1, writing });
        assert!(parsed(Some("local"), &["max-file=1", "compress=true"]).is_err());
    }

    /// docker's documentation: the buffer is 1m unless told otherwise, and `max-buffer-size` is for the mode
    /// non-blocking; `compress` is for files that are rotated.
    #[test]
    fn a_log_that_holds_nothing_up_has_a_buffer_and_what_is_rotated_can_be_compressed() {
        let of = |options: &[&str]| match parsed(None, options).unwrap() {
            LogConfig::JsonFile { writing, .. } => (writing.compress, writing.max_buffer),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&["mode=non-blocking"]), (false, Some(1_000_000)));
        // This size is one of memory, by powers of 1024.
        assert_eq!(of(&["max-buffer-size=4m", "mode=non-blocking"]), (false, Some(4 << 20)));
        assert_eq!(of(&["mode=blocking", "compress=0"]), (false, None));
        assert_eq!(of(&["max-size=1m", "max-file=2", "compress=true"]), (true, None));
        for wrong in [
            &["max-buffer-size=4m"][..],
            &["mode=blocking", "max-buffer-size=4m"],
            &["mode=non-blocking", "max-buffer-size=lots"],
            &["mode=sometimes"],
            &["compress=perhaps"],
            &["compress=true"],
            &["compress=true", "max-size=1m"],
        ] {
            assert!(parsed(None, wrong).is_err(), "{wrong:?}");
        }
    }

    /// docker 20.10's local driver knows none of them: «unknown log opt 'labels' for log driver local».
    #[test]
    fn what_stands_beside_a_line_is_for_json_files() {
        let options = ["labels=a,b", "labels-regex=^c", "env=D", "env-regex=", "tag={{.ID}}"];
        let LogConfig::JsonFile { attributes, .. } = parsed(None, &options).unwrap() else {
            panic!("json-file is the default")
        };
        assert_eq!(attributes.labels, ["a", "b"]);
        assert_eq!(attributes.labels_regex.as_deref(), Some("^c"));
        assert_eq!((attributes.env, attributes.env_regex), (vec!["D".to_owned()], None));
        assert_eq!(attributes.tag.as_deref(), Some("{{.ID}}"));
        assert!(parsed(Some("local"), &["labels=a"]).is_err());
    }

    #[test]
    fn drivers_and_options_that_are_not_known_are_refused() {
        assert_eq!(parsed(Some("none"), &[]).unwrap(), LogConfig::None);
        assert!(parsed(Some("none"), &["max-size=1m"]).is_err());
        assert!(parsed(Some("journald"), &[]).unwrap_err().to_string().contains("journald"));
        assert!(parsed(None, &["mode=blocking", "compress=false"]).is_ok());
        for wrong in ["max-buffer-size=1m", "compress=true", "cache-disabled=x"] {
            assert!(parsed(None, &[wrong]).unwrap_err().to_string().contains(wrong));
        }
        assert!(parsed(None, &["max-file=3"]).is_err());
        assert!(parsed(None, &["max-size=1m", "max-file=0"]).is_err());
    }
}

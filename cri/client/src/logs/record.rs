//! One line of a log file.

use chrono::{DateTime, Utc};

/// Where a container wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Its standard output, or its terminal.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// A line, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was written, as it stands there.
    pub timestamp: &'a str,
    /// The same as a time.
    pub time: DateTime<Utc>,
    /// Where to.
    pub stream: Stream,
    /// What: with its line feed where the line ends here.
    pub text: Vec<u8>,
}

impl<'a> Record<'a> {
    /// Reads a line, which may end with a line feed.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let timestamp = std::str::from_utf8(parts.next()?).ok()?;
        let time = DateTime::parse_from_rfc3339(timestamp).ok()?.with_timezone(&Utc);
        let stream = match parts.next()? {
            b"stdout" => Stream::Stdout,
            b"stderr" => Stream::Stderr,
            _ => return None,
        };
        // Tags are separated by colons; the first says whether the line ends here.
        let whole = match parts.next()?.split(|byte| *byte == b':').next()? {
            b"F" => true,
            b"P" => false,
            _ => return None,
        };
        // A runtime may leave out the space before an empty text.
        let mut text = parts.next().unwrap_or_default().to_vec();
        if whole {
            text.push(b'\n');
        }
        Some(Self { timestamp, time, stream, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Kubernetes' design proposal "kubelet-cri-logging".
    #[test]
    fn records_are_read_as_the_proposal_writes_them() {
        let record = |line: &'static str| Record::parse(line.as_bytes()).unwrap();
        let first =
            record("2016-10-06T00:17:09.669794202Z stdout P The content of the log entry 1");
        assert_eq!(first.stream, Stream::Stdout);
        assert_eq!(first.text, b"The content of the log entry 1");
        assert_eq!(first.timestamp, "2016-10-06T00:17:09.669794202Z");
        assert_eq!(first.time.timestamp_subsec_nanos(), 669_794_202);
        let second =
            record("2016-10-06T00:17:10.113242941Z stderr F The content of the log entry 2\n");
        assert_eq!(second.stream, Stream::Stderr);
        assert_eq!(second.text, b"The content of the log entry 2\n");
        assert_eq!(record("2016-10-06T02:17:10+02:00 stdout F:tag a b  c").text, b"a b  c\n");
        assert_eq!(record("2016-10-06T00:17:10Z stdout F ").text, b"\n");
        assert_eq!(record("2016-10-06T00:17:10Z stdout F").text, b"\n");
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "\n",
            "hello",
            r#"{"log":"x\n","stream":"stdout","time":"2016-10-20T18:39:20.57606443Z"}"#,
            "yesterday stdout F x",
            "2016-10-06T00:17:10Z stdin F x",
            "2016-10-06T00:17:10Z stdout X x",
            "2016-10-06T00:17:10Z stdout",
        ] {
            assert_eq!(Record::parse(line.as_bytes()), None, "{line}");
        }
    }
}

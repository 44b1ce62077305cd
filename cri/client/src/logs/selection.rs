//! Which records are wanted, and the bytes that they are written as.

use chrono::{DateTime, Utc};

use super::record::{Record, Stream};

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Nothing older.
    pub since: Option<DateTime<Utc>>,
    /// Only what went there.
    pub stream: Option<Stream>,
    /// The time before each line.
    pub timestamps: bool,
    /// No more bytes than that, times included.
    pub limit: Option<u64>,
}

/// Chooses record after record.
#[derive(Debug)]
pub struct Selector {
    selection: Selection,
    written: u64,
    /// Whether the last record of each stream ended its line: a time stands before a line, not before its parts.
    within: [bool; 2],
}

/// What to do with a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Write this.
    Write(Stream, Vec<u8>),
    /// Nothing.
    Skip,
    /// Write this, and nothing after it.
    Last(Stream, Vec<u8>),
}

impl Selector {
    /// Begins with nothing written.
    #[must_use]
    pub fn new(selection: Selection) -> Self {
        Self { selection, written: 0, within: [false; 2] }
    }

    /// Whether nothing more will be wanted.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.selection.limit.is_some_and(|limit| self.written >= limit)
    }

    /// Decides on the next record of a log.
    pub fn take(&mut self, record: Record<'_>) -> Verdict {
        let wanted = self.selection.stream.is_none_or(|stream| stream == record.stream);
        if !wanted || self.selection.since.is_some_and(|since| record.time < since) {
            return Verdict::Skip;
        }
        let within = &mut self.within[usize::from(record.stream == Stream::Stderr)];
        let mut bytes = Vec::new();
        if self.selection.timestamps && !*within {
            bytes.extend_from_slice(record.timestamp.as_bytes());
            bytes.push(b' ');
        }
        *within = record.text.last() != Some(&b'\n');
        bytes.extend(record.text);
        let left = self.selection.limit.map(|limit| limit.saturating_sub(self.written));
        if let Some(left) = left
            && bytes.len() as u64 >= left
        {
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            self.written += bytes.len() as u64;
            return Verdict::Last(record.stream, bytes);
        }
        self.written += bytes.len() as u64;
        Verdict::Write(record.stream, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 4] = [
        "2016-10-06T00:17:01Z stdout P one ",
        "2016-10-06T00:17:02Z stderr F bad",
        "2016-10-06T00:17:03Z stdout F two",
        "2016-10-06T00:17:04Z stdout F three",
    ];

    fn text(selection: Selection) -> String {
        let mut selector = Selector::new(selection);
        let mut text = Vec::new();
        for line in LINES {
            match selector.take(Record::parse(line.as_bytes()).unwrap()) {
                Verdict::Write(_, bytes) => text.extend(bytes),
                Verdict::Skip => {}
                Verdict::Last(_, bytes) => {
                    text.extend(bytes);
                    assert!(selector.is_full());
                    break;
                }
            }
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn parts_of_a_line_are_joined() {
        let stream = Some(Stream::Stdout);
        assert_eq!(text(Selection { stream, ..Selection::default() }), "one two\nthree\n");
        assert_eq!(text(Selection::default()), "one bad\ntwo\nthree\n");
    }

    #[test]
    fn a_time_stands_before_each_line_and_not_before_its_parts() {
        let selection =
            Selection { stream: Some(Stream::Stdout), timestamps: true, ..Selection::default() };
        let expected = "2016-10-06T00:17:01Z one two\n2016-10-06T00:17:04Z three\n";
        assert_eq!(text(selection), expected);
    }

    #[test]
    fn what_is_older_is_left_out() {
        let since = DateTime::from_timestamp(1_475_713_023, 0);
        assert_eq!(text(Selection { since, ..Selection::default() }), "two\nthree\n");
    }

    #[test]
    fn the_limit_counts_bytes() {
        let limited = |limit| text(Selection { limit: Some(limit), ..Selection::default() });
        assert_eq!(limited(6), "one ba");
        assert_eq!(limited(4), "one ");
        assert_eq!(limited(0), "");
        assert_eq!(limited(1000), "one bad\ntwo\nthree\n");
    }
}

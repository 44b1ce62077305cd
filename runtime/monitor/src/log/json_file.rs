//! docker's json-file format: one object a line, `{"log":"…\n","stream":"stdout","attrs":{…},"time":"…"}`.
//!
//! Byte for byte what docker writes: its JSON escapes `<`, `>` and `&` and the two line separators
//! U+2028 and U+2029, and puts U+FFFD for each byte that is no UTF-8.

use std::collections::BTreeMap;
use std::io::Write;

use isopod_monitor_protocol::time::Timestamp;

use super::Stream;
use super::lines::Line;

/// Appends the object for one line; `attributes` as [`attributes`] wrote them.
pub fn write(
    buffer: &mut Vec<u8>,
    line: &Line<'_>,
    stream: Stream,
    now: Timestamp,
    attributes: &[u8],
) {
    buffer.extend_from_slice(b"{\"log\":\"");
    escape(buffer, line.text);
    if line.is_complete {
        buffer.extend_from_slice(b"\\n");
    }
    write!(buffer, "\",\"stream\":\"{}\",", stream.name()).expect(TO_MEMORY);
    buffer.extend_from_slice(attributes);
    writeln!(buffer, "\"time\":\"{now}\"}}").expect(TO_MEMORY);
}

/// What every line of a container has besides: `"attrs":{…},`, or nothing.
pub fn attributes(of: &BTreeMap<String, String>) -> Vec<u8> {
    let mut buffer = Vec::new();
    for (index, (name, value)) in of.iter().enumerate() {
        let before: &[u8] = if index == 0 { b"\"attrs\":{\"" } else { b",\"" };
        buffer.extend_from_slice(before);
        escape(&mut buffer, name.as_bytes());
        buffer.extend_from_slice(b"\":\"");
        escape(&mut buffer, value.as_bytes());
        buffer.push(b'"');
    }
    if !buffer.is_empty() {
        buffer.extend_from_slice(b"},");
    }
    buffer
}

const TO_MEMORY: &str = "writing to memory cannot fail";

fn escape(buffer: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid();
        let mut copied = 0;
        for (at, character) in valid.char_indices() {
            if !needs_escape(character) {
                continue;
            }
            buffer.extend_from_slice(&valid.as_bytes()[copied..at]);
            copied = at + character.len_utf8();
            escape_character(buffer, character);
        }
        buffer.extend_from_slice(&valid.as_bytes()[copied..]);
        for _ in chunk.invalid() {
            buffer.extend_from_slice(b"\\ufffd");
        }
    }
}

fn needs_escape(character: char) -> bool {
    character < ' ' || matches!(character, '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

fn escape_character(buffer: &mut Vec<u8>, character: char) {
    let short: &[u8] = match character {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\n' => b"\\n",
        '\r' => b"\\r",
        _ => {
            write!(buffer, "\\u{:04x}", u32::from(character)).expect(TO_MEMORY);
            return;
        }
    };
    buffer.extend_from_slice(short);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &[u8], is_complete: bool) -> String {
        let mut buffer = Vec::new();
        let line = Line { text, is_complete };
        write(&mut buffer, &line, Stream::Stderr, Timestamp(1_500_000_000), &[]);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn a_line_is_written_as_docker_writes_it() {
        assert_eq!(
            written("a\t\"b\"\\ <é>\u{2028}".as_bytes(), true),
            "{\"log\":\"a\\u0009\\\"b\\\"\\\\ \\u003cé\\u003e\\u2028\\n\",\"stream\":\"stderr\",\"time\":\"1970-01-01T00:00:01.5Z\"}\n"
        );
    }

    /// As docker 20.10 wrote it for a container with these labels and `--log-opt labels-regex=`.
    #[test]
    fn attributes_stand_before_the_time_as_with_docker() {
        let of = [("a,b", "1,2 &<é/"), ("x", "y")];
        let of = of.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut buffer = Vec::new();
        let line = Line { text: b"hi", is_complete: true };
        write(&mut buffer, &line, Stream::Stdout, Timestamp(1_500_000_000), &attributes(&of));
        assert_eq!(
            String::from_utf8(buffer).unwrap(),
            "{\"log\":\"hi\\n\",\"stream\":\"stdout\",\"attrs\":{\"a,b\":\"1,2 \\u0026\\u003cé/\",\"x\":\"y\"},\"time\":\"1970-01-01T00:00:01.5Z\"}\n"
        );
        assert!(attributes(&BTreeMap::new()).is_empty());
    }

    #[test]
    fn a_part_has_no_line_end_and_bad_bytes_are_replaced_one_by_one() {
        // U+20AC cut short: Go's decoder yields one replacement for each byte of it.
        let line = written(b"x\xe2\x82y\xff", false);
        assert!(line.starts_with("{\"log\":\"x\\ufffd\\ufffdy\\ufffd\",\"stream\""), "{line}");
        let decoded: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(decoded["log"], "x\u{fffd}\u{fffd}y\u{fffd}");
    }
}

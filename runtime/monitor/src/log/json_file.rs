//! docker's json-file format: one object a line, `{"log":"…\n","stream":"stdout","time":"…"}`.
//!
//! Byte for byte what docker writes: its JSON escapes `<`, `>` and `&` and the two line separators
//! U+2028 and U+2029, and puts U+FFFD for each byte that is no UTF-8.

use std::io::Write;

use isopod_monitor_protocol::time::Timestamp;

use super::Stream;
use super::lines::Line;

/// Appends the object for one line.
pub fn write(buffer: &mut Vec<u8>, line: &Line<'_>, stream: Stream, now: Timestamp) {
    buffer.extend_from_slice(b"{\"log\":\"");
    escape(buffer, line.text);
    if line.is_complete {
        buffer.extend_from_slice(b"\\n");
    }
    writeln!(buffer, "\",\"stream\":\"{}\",\"time\":\"{now}\"}}", stream.name())
        .expect("writing to memory cannot fail");
}

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
            write!(buffer, "\\u{:04x}", u32::from(character))
                .expect("writing to memory cannot fail");
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
        write(&mut buffer, &Line { text, is_complete }, Stream::Stderr, Timestamp(1_500_000_000));
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn a_line_is_written_as_docker_writes_it() {
        assert_eq!(
            written("a\t\"b\"\\ <é>\u{2028}".as_bytes(), true),
            "{\"log\":\"a\\u0009\\\"b\\\"\\\\ \\u003cé\\u003e\\u2028\\n\",\"stream\":\"stderr\",\"time\":\"1970-01-01T00:00:01.5Z\"}\n"
        );
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

//! The CRI log format: `<RFC3339Nano> stdout|stderr F|P <text>`, bytes as they came.

use std::io::Write;

use isopod_monitor_protocol::time::Timestamp;

use super::Stream;
use super::lines::Line;

/// Appends one line.
pub fn write(buffer: &mut Vec<u8>, line: &Line<'_>, stream: Stream, now: Timestamp, _: &[u8]) {
    let tag = if line.is_complete { 'F' } else { 'P' };
    write!(buffer, "{now} {} {tag} ", stream.name()).expect("writing to memory cannot fail");
    buffer.extend_from_slice(line.text);
    buffer.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_and_partial_lines_carry_their_tag() {
        let mut buffer = Vec::new();
        let time = Timestamp(1_475_712_009_669_794_202);
        write(&mut buffer, &Line { text: b"one", is_complete: true }, Stream::Stdout, time, &[]);
        write(&mut buffer, &Line { text: b"\xff", is_complete: false }, Stream::Stderr, time, &[]);
        let expected =
            b"2016-10-06T00:00:09.669794202Z stdout F one\n2016-10-06T00:00:09.669794202Z stderr P \xff\n";
        assert_eq!(buffer, expected);
    }
}

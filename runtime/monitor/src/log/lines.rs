//! Cutting a stream of bytes into lines of bounded length, as docker's and containerd's loggers do:
//! what is longer than 16 KiB comes in parts, the last of which is the one with the line's end.

/// The longest part, in bytes.
pub const MAX_PART: usize = 16 * 1024;

/// A line or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Without the line's end.
    pub text: &'a [u8],
    /// Whether the line's end came after it.
    pub is_complete: bool,
}

/// What a stream brought since its last line's end.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Takes bytes and hands on the lines and parts they complete.
    pub fn feed(&mut self, mut bytes: &[u8], mut emit: impl FnMut(Line<'_>)) {
        while !bytes.is_empty() {
            let room = MAX_PART - self.pending.len();
            // A line's end just behind a full part belongs to the next, empty one.
            let window = &bytes[..bytes.len().min(room)];
            let end = window.iter().position(|byte| *byte == b'\n');
            let (text, used) = match end {
                Some(end) => (&window[..end], end + 1),
                None => (window, window.len()),
            };
            let is_full = self.pending.len() + text.len() == MAX_PART;
            if end.is_none() && !is_full {
                self.pending.extend_from_slice(text);
            } else if self.pending.is_empty() {
                emit(Line { text, is_complete: end.is_some() });
            } else {
                self.pending.extend_from_slice(text);
                emit(Line { text: &self.pending, is_complete: end.is_some() });
                self.pending = Vec::new();
            }
            bytes = &bytes[used..];
        }
    }

    /// Hands on what is left at the end of the stream, as a part.
    pub fn end(&mut self, mut emit: impl FnMut(Line<'_>)) {
        if !self.pending.is_empty() {
            emit(Line { text: &self.pending, is_complete: false });
            self.pending = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.feed(chunk, |line| found.push((line.text.to_vec(), line.is_complete)));
        }
        lines.end(|line| found.push((line.text.to_vec(), line.is_complete)));
        found
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_chunked() {
        let long = vec![b'x'; 2 * MAX_PART + 5];
        let exact = vec![b'y'; MAX_PART];
        let stream = [b"a\n\nb".as_slice(), &long, b"\n", &exact, b"\nend"].concat();
        let whole = cut(&[&stream]);
        for size in [1, 7, 1000, MAX_PART - 1, MAX_PART, MAX_PART + 1] {
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            assert_eq!(cut(&chunks), whole, "chunks of {size}");
        }
        let shape: Vec<(usize, bool)> =
            whole.iter().map(|(text, end)| (text.len(), *end)).collect();
        let expected = [
            (1, true),
            (0, true),
            (MAX_PART, false),
            (MAX_PART, false),
            (6, true),
            (MAX_PART, false),
            (0, true),
            (3, false),
        ];
        assert_eq!(shape, expected);
    }
}

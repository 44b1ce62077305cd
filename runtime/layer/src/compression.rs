//! The compressions of layers, all decoded in this process (security.md, row 14).

use std::fmt;
use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder;

/// The largest window a zstd frame may ask for, in bytes: what every decoder must
/// support at least (RFC 8878, section 3.1.1.1.2), and all that one layer gets.
pub const ZSTD_WINDOW_LIMIT: u64 = 1 << ZSTD_WINDOW_LOG;
const ZSTD_WINDOW_LOG: u32 = 23;

/// How a layer's archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, any number of members (RFC 1952, section 2.2).
    Gzip,
    /// zstd, any number of frames, skippable ones included (RFC 8878, section 3.1).
    Zstd,
}

impl Compression {
    /// How many first bytes [`detect`](Self::detect) looks at.
    pub const DETECTABLE_FROM: usize = 4;

    /// Tells from the first bytes of a layer, fewer than
    /// [`DETECTABLE_FROM`](Self::DETECTABLE_FROM) only if it has no more.
    pub fn detect(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// A reader of the decompressed bytes, straight from the input's buffer.
    ///
    /// # Errors
    /// The decoder can't be set up.
    pub fn decoder<'a>(self, input: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::None => Box::new(input),
            Self::Gzip => Box::new(MultiGzDecoder::new(input)),
            Self::Zstd => {
                let mut decoder = Decoder::with_buffer(input)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
        })
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Whether a decoder's error says that a frame's window is larger than allowed.
///
/// The zstd crate passes libzstd's message on without its code; a test holds that this
/// is the message.
pub(crate) fn is_window_error(error: &io::Error) -> bool {
    error.to_string() == "Frame requires too much memory for decoding"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_is_told_from_the_first_bytes() {
        assert_eq!(Compression::detect(&[0x1f, 0x8b, 8, 0]), Compression::Gzip);
        assert_eq!(Compression::detect(&[0x28, 0xb5, 0x2f, 0xfd]), Compression::Zstd);
        assert_eq!(Compression::detect(&[0x5a, 0x2a, 0x4d, 0x18]), Compression::Zstd);
        assert_eq!(Compression::detect(b"etc/"), Compression::None);
        assert_eq!(Compression::detect(&[]), Compression::None);
    }
}

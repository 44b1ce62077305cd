//! The compression of header blocks (SPDY/3 draft, section 2.6.10.1): one zlib stream a direction for the whole life of
//! a connection, flushed after each block.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::dictionary::dictionary;
use crate::error::FrameError;

/// Deflates the header blocks of one direction, in the order they are sent.
pub struct Deflater(Compress);

impl Default for Deflater {
    fn default() -> Self {
        // A window of 2 KiB would do for such headers, but some peers only take the usual 32 KiB.
        let mut compress = Compress::new(Compression::new(6), true);
        compress.set_dictionary(dictionary()).expect("a fresh stream takes any dictionary");
        Self(compress)
    }
}

impl Deflater {
    /// The next block as it goes over the wire.
    pub fn block(&mut self, block: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(block.len() / 2 + 128);
        let mut rest = block;
        loop {
            let (before, room) = (self.0.total_in(), out.capacity() - out.len());
            self.0
                .compress_vec(rest, &mut out, FlushCompress::Sync)
                .expect("deflating what is in memory can't fail");
            rest = &rest[(self.0.total_in() - before) as usize..];
            // Room that is left says that the flush is complete (zlib's manual, deflate()).
            if rest.is_empty() && room > 0 && out.len() < out.capacity() {
                return out;
            }
            out.reserve(1024);
        }
    }
}

/// Inflates the header blocks of one direction, in the order they came: each one, also of frames that are refused.
pub struct Inflater(Decompress);

impl Default for Inflater {
    fn default() -> Self {
        Self(Decompress::new(true))
    }
}

impl Inflater {
    /// The block behind these bytes.
    ///
    /// # Errors
    ///
    /// Compression that is broken or ends, another dictionary, or more than `most` bytes: not one more is made of them.
    pub fn block(&mut self, wire: &[u8], most: usize) -> Result<Vec<u8>, FrameError> {
        let mut block = Vec::new();
        let mut scratch = [0_u8; 4096];
        let mut rest = wire;
        loop {
            let (taken, made) = (self.0.total_in(), self.0.total_out());
            let status = match self.0.decompress(rest, &mut scratch, FlushDecompress::Sync) {
                Ok(status) => status,
                Err(error) if error.needs_dictionary().is_some() => {
                    self.0.set_dictionary(dictionary()).map_err(|_| FrameError::Inflate)?;
                    Status::Ok
                }
                Err(_) => return Err(FrameError::Inflate),
            };
            let (taken, made) = (self.0.total_in() - taken, self.0.total_out() - made);
            rest = &rest[taken as usize..];
            block.extend_from_slice(&scratch[..made as usize]);
            if block.len() > most {
                return Err(FrameError::HeadersTooLarge);
            }
            match status {
                Status::StreamEnd => return Err(FrameError::Inflate),
                _ if rest.is_empty() && (made as usize) < scratch.len() => return Ok(block),
                Status::BufError if made == 0 => return Err(FrameError::Inflate),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_survive_and_later_ones_are_smaller() {
        let (mut there, mut back) = (Deflater::default(), Inflater::default());
        let block = b"\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x06stdout";
        let first = there.block(block);
        assert_eq!(first[..6], [0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2], "zlib with the dictionary");
        let second = there.block(block);
        assert!(second.len() < first.len(), "{} {}", second.len(), first.len());
        // Each ends with an empty stored block: the flush that lets a peer see all of it.
        assert!(first.ends_with(b"\0\0\xff\xff") && second.ends_with(b"\0\0\xff\xff"));
        assert_eq!(back.block(&first, 100).unwrap(), block);
        assert_eq!(back.block(&second, 100).unwrap(), block);
    }

    #[test]
    fn a_small_frame_never_becomes_a_large_block() {
        let (mut there, mut back) = (Deflater::default(), Inflater::default());
        let bomb = there.block(&vec![b'a'; 16 << 20]);
        assert!(bomb.len() < 20_000, "{}", bomb.len());
        assert_eq!(back.block(&bomb, 32 * 1024), Err(FrameError::HeadersTooLarge));
    }

    #[test]
    fn large_blocks_that_do_not_shrink_come_through() {
        let (mut there, mut back) = (Deflater::default(), Inflater::default());
        let mut seed = 1_u32;
        let block: Vec<u8> = (0..30_000)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .collect();
        assert_eq!(back.block(&there.block(&block), block.len()).unwrap(), block);
    }

    #[test]
    fn what_is_no_zlib_or_has_another_dictionary_is_refused() {
        for wire in [
            &b"not zlib at all"[..],
            b"\x78\xbb\0\0\0\x01\0\0\xff\xff",
            b"\x78\x9c\x03\0\0\0\0\x01",
        ] {
            assert_eq!(Inflater::default().block(wire, 1000), Err(FrameError::Inflate), "{wire:?}");
        }
    }
}

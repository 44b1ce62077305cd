//! Name/value blocks (SPDY/3 draft, section 2.6.10), before compression.

use std::fmt;

use crate::error::FrameError;

/// The headers of a stream: names in lower case, in the order they came, a name with several values several times.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These, with one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// The first value of a name, however it is written.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let same = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.0.iter().find(same).map(|(_, value)| value.as_str())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The block: a name that comes several times has its values in one, with zero bytes between.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut joined: Vec<(&str, String)> = Vec::new();
        for (name, value) in self.iter() {
            match joined.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => {
                    values.push('\0');
                    values.push_str(value);
                }
                None => joined.push((name, value.to_owned())),
            }
        }
        let mut block = Vec::new();
        let mut put = |bytes: &[u8]| {
            block.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            block.extend_from_slice(bytes);
        };
        for (name, value) in &joined {
            put(name.as_bytes());
            put(value.as_bytes());
        }
        let mut whole = (joined.len() as u32).to_be_bytes().to_vec();
        whole.append(&mut block);
        whole
    }

    /// Reads a block of at most `most` names. Names in upper case are taken as Go's peers take them.
    ///
    /// # Errors
    ///
    /// A block that ends early, goes on, repeats a name, has an empty one, or isn't UTF-8.
    pub(crate) fn decode(block: &[u8], most: usize) -> Result<Self, FrameError> {
        let mut rest = block;
        let count = number(&mut rest)?;
        if count > most {
            return Err(FrameError::HeadersTooLarge);
        }
        let mut headers = Self::new();
        for _ in 0..count {
            let name = text(&mut rest)?.to_ascii_lowercase();
            let values = text(&mut rest)?;
            if name.is_empty() {
                return Err(FrameError::Headers("a name is empty"));
            }
            if headers.get(&name).is_some() {
                return Err(FrameError::Headers("a name comes twice"));
            }
            for value in values.split('\0') {
                headers.0.push((name.clone(), value.to_owned()));
            }
        }
        if rest.is_empty() {
            Ok(headers)
        } else {
            Err(FrameError::Headers("it goes on after its end"))
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

fn number(rest: &mut &[u8]) -> Result<usize, FrameError> {
    let (head, tail) = rest.split_first_chunk().ok_or(FrameError::Headers("it ends early"))?;
    *rest = tail;
    Ok(u32::from_be_bytes(*head) as usize)
}

fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, FrameError> {
    let length = number(rest)?;
    let (text, tail) = rest.split_at_checked(length).ok_or(FrameError::Headers("it ends early"))?;
    *rest = tail;
    std::str::from_utf8(text).map_err(|_| FrameError::Headers("it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_laid_out_as_the_draft_says() {
        let headers = Headers::new().with("streamType", "error").with("a", "1").with("A", "2");
        let expected = b"\0\0\0\x02\0\0\0\x0astreamtype\0\0\0\x05error\0\0\0\x01a\0\0\0\x031\x002";
        assert_eq!(headers.encode(), expected);
        assert_eq!(Headers::decode(expected, 2), Ok(headers.clone()));
        assert_eq!(headers.get("STREAMTYPE"), Some("error"));
        assert_eq!(Headers::decode(expected, 1), Err(FrameError::HeadersTooLarge));
    }

    #[test]
    fn broken_blocks_are_refused() {
        for (block, why) in [
            (&b"\0\0\0"[..], "it ends early"),
            (b"\0\0\0\x01\0\0\0\x01a\xff\xff\xff\xff", "it ends early"),
            (b"\0\0\0\x01\0\0\0\0\0\0\0\0", "a name is empty"),
            (b"\0\0\0\0\0", "it goes on after its end"),
            (b"\0\0\0\x02\0\0\0\x01a\0\0\0\0\0\0\0\x01A\0\0\0\0", "a name comes twice"),
            (b"\0\0\0\x01\0\0\0\x01\xff\0\0\0\0", "it is not UTF-8"),
        ] {
            assert_eq!(Headers::decode(block, 64), Err(FrameError::Headers(why)), "{block:?}");
        }
    }
}

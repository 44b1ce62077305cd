//! Content digests: a parsed type, so that no unchecked string reaches a path or a URL.
//!
//! Grammar and registered algorithms: OCI image-spec, descriptor.md, "Digests".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

/// A hash function that may name content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, which every implementation must know.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal characters follow the colon.
    #[must_use]
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a string is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// There is no `algorithm:` before the encoded part.
    #[error("digest {0:?} has no algorithm")]
    NoAlgorithm(String),
    /// Neither sha256 nor sha512.
    #[error("digest {0:?} has an unsupported algorithm")]
    UnsupportedAlgorithm(String),
    /// The encoded part is not exactly as many lower-case hexadecimal characters as the algorithm gives.
    #[error("digest {digest:?} does not consist of {expected} lower-case hexadecimal characters")]
    NotHex {
        /// What was parsed.
        digest: String,
        /// How many characters the algorithm gives.
        expected: usize,
    },
}

/// `algorithm:hex`, known to be well-formed: it holds no separator, dot or upper-case letter,
/// and so may be part of a path or URL as it stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    algorithm: Algorithm,
    text: Box<str>,
}

impl Digest {
    /// The SHA-256 of `bytes`.
    #[must_use]
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::compute(Algorithm::Sha256, bytes)
    }

    /// The digest of `bytes` under `algorithm`.
    #[must_use]
    pub fn compute(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut digester = Digester::new(algorithm);
        digester.update(bytes);
        digester.finish()
    }

    /// The hash function.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `algorithm:hex`.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.text
    }

    /// The part after the colon: 64 or 128 characters of `0-9a-f`.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.text[self.algorithm.as_str().len() + 1..]
    }

    /// The first 12 characters of [`Self::hex`], as tables show them.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }

    fn from_hash(algorithm: Algorithm, hash: &[u8]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(algorithm.as_str().len() + 1 + algorithm.hex_len());
        text.push_str(algorithm.as_str());
        text.push(':');
        for byte in hash {
            text.push(HEX[usize::from(byte >> 4)].into());
            text.push(HEX[usize::from(byte & 15)].into());
        }
        Self { algorithm, text: text.into() }
    }
}

impl FromStr for Digest {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (name, hex) =
            text.split_once(':').ok_or_else(|| ParseError::NoAlgorithm(text.to_owned()))?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(ParseError::UnsupportedAlgorithm(text.to_owned())),
        };
        let well_formed = hex.len() == algorithm.hex_len()
            && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !well_formed {
            return Err(ParseError::NotHex {
                digest: text.to_owned(),
                expected: algorithm.hex_len(),
            });
        }
        Ok(Self { algorithm, text: text.into() })
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.text.into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Computes a [`Digest`] over bytes that arrive in pieces.
#[derive(Clone)]
pub struct Digester(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Digester {
    /// Starts with no bytes.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(hash) => hash.update(bytes),
            State::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of everything added.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(hash) => Digest::from_hash(Algorithm::Sha256, &hash.finalize()),
            State::Sha512(hash) => Digest::from_hash(Algorithm::Sha512, &hash.finalize()),
        }
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Sha256(_) => "Digester(sha256)",
            State::Sha512(_) => "Digester(sha512)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // FIPS 180-4 examples for "abc", as published with the standard.
    const ABC_256: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const ABC_512: &str = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

    #[test]
    fn digests_are_those_of_the_standard() {
        assert_eq!(Digest::sha256(b"abc").to_string(), ABC_256);
        assert_eq!(Digest::compute(Algorithm::Sha512, b"abc").to_string(), ABC_512);
        assert_eq!(Digest::sha256(b"abc").short(), "ba7816bf8f01");
    }

    #[test]
    fn pieces_and_the_whole_give_one_digest() {
        let mut digester = Digester::new(Algorithm::Sha256);
        digester.update(b"a");
        digester.update(b"");
        digester.update(b"bc");
        assert_eq!(digester.finish().as_str(), ABC_256);
    }

    #[test]
    fn a_digest_that_is_a_path_is_refused() {
        let hex = &ABC_256[7..];
        for hostile in [
            "sha256:../../x".to_owned(),
            format!("sha256:{}/../{}", &hex[..30], &hex[..30]),
            format!("sha256:{}", "../".repeat(21) + "x"),
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{hex}0"),
            format!("sha256:{hex}\n"),
            format!("sha256:{hex}\0"),
            format!(" sha256:{hex}"),
            format!("SHA256:{hex}"),
            format!("sha512:{hex}"),
            format!("md5:{hex}"),
            format!("sha256+b64:{hex}"),
            format!("../sha256:{hex}"),
            hex.to_owned(),
            String::new(),
            "sha256:".to_owned(),
            format!("sha256:{}", "é".repeat(32)),
        ] {
            assert!(hostile.parse::<Digest>().is_err(), "{hostile:?}");
            let json = serde_json::to_string(&hostile).unwrap();
            assert!(serde_json::from_str::<Digest>(&json).is_err(), "{hostile:?}");
        }
    }

    proptest! {
        /// image-spec, descriptor.md, "Digests": the algorithms that are computed here.
        #[test]
        fn a_digest_is_what_the_specification_says(
            text in r"(sha256|sha512|sha384|SHA256|md5|sha256\+b64)?:?([0-9a-f]{63,65}|[0-9a-f]{127,129}|[0-9A-Fa-f]{64}|[0-9a-g]{64})"
        ) {
            let grammar = regex::Regex::new(r"\A(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})\z").unwrap();
            prop_assert_eq!(text.parse::<Digest>().is_ok(), grammar.is_match(&text));
        }

        #[test]
        fn whatever_parses_is_safe_in_a_path_and_comes_back_as_it_was(text in "(sha256:|sha512:)?[0-9a-f./:]{0,130}|\\PC{0,80}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
                prop_assert!(digest.hex().bytes().all(|byte| byte.is_ascii_hexdigit()));
            }
        }

        #[test]
        fn every_computed_digest_parses(bytes: Vec<u8>) {
            for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
                let digest = Digest::compute(algorithm, &bytes);
                prop_assert_eq!(digest.as_str().parse::<Digest>().unwrap(), digest.clone());
                let json = serde_json::to_string(&digest).unwrap();
                prop_assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
            }
        }
    }
}

//! Container ids, names and namespaces: what may be one, and how new ones are made.

use thiserror::Error;

/// containerd's limit on identifiers.
const MAX_LENGTH: usize = 76;

/// A text that can't be an id, a name or a namespace.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum IdError {
    /// Outside the alphabet.
    #[error(
        "{what} {text:?} is not valid: use letters, digits, '.', '_' and '-', beginning with a letter or digit"
    )]
    Characters {
        /// "container id", "container name", "namespace", …
        what: &'static str,
        /// The text.
        text: String,
    },
    /// A name of one character.
    #[error("{what} {text:?} is too short: names have two characters at least")]
    Short {
        /// As above.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// Too long or empty.
    #[error("{what} {text:?} is not valid: between 1 and {MAX_LENGTH} characters are allowed")]
    Length {
        /// As above.
        what: &'static str,
        /// The text.
        text: String,
    },
}

/// Checks `text` against docker's and containerd's common rule: `[A-Za-z0-9][A-Za-z0-9_.-]*`, at
/// most 76 characters. Such a text is one path component and never `.` or `..`.
///
/// # Errors
/// It breaks the rule; `what` names its role in the message.
pub fn check(what: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() || text.len() > MAX_LENGTH {
        return Err(IdError::Length { what, text: text.to_owned() });
    }
    let allowed = |(at, c): (usize, char)| {
        c.is_ascii_alphanumeric() || (at > 0 && matches!(c, '_' | '.' | '-'))
    };
    if text.char_indices().all(allowed) {
        Ok(())
    } else {
        Err(IdError::Characters { what, text: text.to_owned() })
    }
}

/// As [`check`], for what has two characters at least: names of containers and volumes, as docker's
/// (`[a-zA-Z0-9][a-zA-Z0-9_.-]+`; its networks may have one).
///
/// # Errors
/// It breaks the rule, or has one character.
pub fn check_name(what: &'static str, text: &str) -> Result<(), IdError> {
    check(what, text)?;
    match text.len() {
        1 => Err(IdError::Short { what, text: text.to_owned() }),
        _ => Ok(()),
    }
}

/// 64 random lower-case hex characters.
///
/// Never all digits in its first twelve: a short id that looks like a number confuses tools
/// (docker draws again for the same reason).
#[must_use]
pub fn random() -> String {
    loop {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).expect("the kernel's random source always answers");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if hex[..12].contains(|c: char| c.is_ascii_alphabetic()) {
            return hex;
        }
    }
}

/// A name such as `eager_lovelace`, from `seed` so that a caller can draw again when it is taken.
#[must_use]
pub fn random_name() -> String {
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes).expect("the kernel's random source always answers");
    let left = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    let right = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
    format!("{}_{}", ADJECTIVES[left % ADJECTIVES.len()], SURNAMES[right % SURNAMES.len()])
}

const ADJECTIVES: &[&str] = &[
    "agile", "amber", "ample", "bold", "brave", "bright", "brisk", "calm", "candid", "clear",
    "clever", "crisp", "curious", "daring", "deft", "eager", "earnest", "fair", "fearless",
    "fluent", "frank", "gentle", "glad", "golden", "happy", "hardy", "honest", "jolly", "keen",
    "kind", "lively", "lucid", "merry", "mild", "modest", "nimble", "noble", "patient", "placid",
    "plucky", "polite", "proud", "quick", "quiet", "ready", "robust", "serene", "sharp", "silent",
    "sincere", "smart", "snug", "sober", "solid", "spry", "steady", "stoic", "sturdy", "subtle",
    "sunny", "swift", "tender", "tidy", "tranquil", "trusty", "upbeat", "vivid", "warm", "wise",
    "witty", "zealous", "zesty",
];

const SURNAMES: &[&str] = &[
    "abel",
    "agnesi",
    "archimedes",
    "babbage",
    "banach",
    "bassi",
    "bell",
    "bohr",
    "boole",
    "bose",
    "cannon",
    "cantor",
    "carson",
    "cauchy",
    "cerf",
    "chandra",
    "clarke",
    "curie",
    "darwin",
    "dijkstra",
    "dirac",
    "einstein",
    "elion",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "fermi",
    "feynman",
    "franklin",
    "galileo",
    "galois",
    "gauss",
    "germain",
    "goodall",
    "hamilton",
    "hawking",
    "heisenberg",
    "hertz",
    "hilbert",
    "hopper",
    "hypatia",
    "jackson",
    "johnson",
    "kepler",
    "khorana",
    "knuth",
    "kovalevskaya",
    "lamarr",
    "lamport",
    "leavitt",
    "leibniz",
    "lovelace",
    "mayer",
    "mcclintock",
    "meitner",
    "mendel",
    "mendeleev",
    "mirzakhani",
    "moore",
    "napier",
    "newton",
    "nightingale",
    "noether",
    "pascal",
    "pasteur",
    "payne",
    "perlman",
    "planck",
    "poincare",
    "ramanujan",
    "ride",
    "ritchie",
    "rubin",
    "sagan",
    "shannon",
    "sinoussi",
    "tesla",
    "thompson",
    "turing",
    "villani",
    "volta",
    "wilson",
    "wu",
    "yalow",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_empty_texts_are_no_ids() {
        for bad in ["", ".", "..", "a/b", "-a", "_a", "a b", "é", "a\0", &"x".repeat(77)] {
            assert!(check("container id", bad).is_err(), "{bad:?}");
        }
        for good in ["redis", "a", "A-1_b.c", &"x".repeat(76)] {
            check("container id", good).unwrap();
        }
        assert!(check_name("volume name", "a").is_err());
        check_name("volume name", "a-").unwrap();
    }

    #[test]
    fn random_ids_are_64_hex_characters_and_differ() {
        let (one, two) = (random(), random());
        assert_eq!(one.len(), 64);
        assert!(one.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()));
        assert_ne!(one, two);
        check("container name", &random_name()).unwrap();
    }
}

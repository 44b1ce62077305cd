//! Which of an index's images fits a machine.
//!
//! Names and fields: OCI image-spec, image-index.md, "platform". Normalization and the order
//! of what else a machine can run follow containerd's platforms package, whose rules images
//! in the wild are built against.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// Operating system, architecture and its variant, in Go's words (`linux`, `amd64`, `v8`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`; `unknown` and empty occur in attestations.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub os: String,
    /// `amd64`, `arm64`, `arm`, `386`, …
    #[serde(default, deserialize_with = "null_is_empty")]
    pub architecture: String,
    /// `v7` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "empty_is_none")]
    pub variant: Option<String>,
    /// The version of Windows an image needs.
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "empty_is_none"
    )]
    pub os_version: Option<String>,
    /// What the operating system must offer.
    #[serde(
        default,
        rename = "os.features",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub os_features: Vec<String>,
}

/// Why a string names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not of the form `os/architecture[/variant]`, `os` or `architecture`.
    #[error("platform {0:?} is not of the form os/architecture[/variant]")]
    Malformed(String),
    /// A single word that is neither an operating system nor an architecture.
    #[error("platform {0:?} is neither a known operating system nor a known architecture")]
    Unknown(String),
}

impl Platform {
    /// Whether it is nobody's, as that of an attestation beside the images of an index.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown"
    }

    /// `os` and `architecture`, normalized, without a variant of the caller's choice.
    #[must_use]
    pub fn new(os: &str, architecture: &str) -> Self {
        Self::with_variant(os, architecture, None)
    }

    /// `os`, `architecture` and `variant`, normalized.
    #[must_use]
    pub fn with_variant(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (architecture, variant) = normalize(architecture, variant.unwrap_or_default());
        Self {
            os: normalize_os(os),
            architecture,
            variant,
            os_version: None,
            os_features: Vec::new(),
        }
    }

    /// What this program was built for, which is what containers run on.
    #[must_use]
    pub fn host() -> Self {
        let variant =
            if cfg!(all(target_arch = "arm", not(target_feature = "v7"))) { "v6" } else { "" };
        Self::with_variant("linux", std::env::consts::ARCH, Some(variant))
    }

    /// The same platform in the words [`Self::new`] would have used.
    #[must_use]
    pub fn normalized(&self) -> Self {
        Self {
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            ..Self::with_variant(&self.os, &self.architecture, self.variant.as_deref())
        }
    }

    /// Whether a machine of this platform can run what was built for `image`.
    #[must_use]
    pub fn matches(&self, image: &Self) -> bool {
        self.rank(image).is_some()
    }

    /// The place of `image` in [`Self::preferences`]: 0 is what was asked for, higher is
    /// a worse fit, `None` cannot run here.
    #[must_use]
    pub fn rank(&self, image: &Self) -> Option<usize> {
        let image = image.normalized();
        // An image may need features that a machine offers, not the other way round.
        if !image.os_features.iter().all(|feature| self.os_features.contains(feature)) {
            return None;
        }
        self.preferences().iter().position(|able| {
            able.os == image.os
                && able.architecture == image.architecture
                && able.variant == image.variant
        })
    }

    /// What a machine of this platform can run, best first: itself, earlier variants of its
    /// architecture, then the 32-bit architecture beneath it.
    #[must_use]
    pub fn preferences(&self) -> Vec<Self> {
        let own = self.normalized();
        let like = |architecture: &str, variant: Option<String>| {
            let variant = variant.as_deref();
            Self {
                os_version: own.os_version.clone(),
                os_features: own.os_features.clone(),
                ..Self::with_variant(&own.os, architecture, variant)
            }
        };
        let mut able = vec![own.clone()];
        match own.architecture.as_str() {
            "amd64" => {
                let version = number(own.variant.as_deref()).unwrap_or(1).min(4);
                able.extend(
                    (1..version).rev().map(|older| like("amd64", Some(format!("v{older}")))),
                );
                able.push(like("386", None));
            }
            "arm64" => {
                able.extend(
                    arm64_below(own.variant.as_deref()).into_iter().map(|v| like("arm64", Some(v))),
                );
                able.push(like("arm", Some("v8".to_owned())));
                able.extend((5..8).rev().map(|older| like("arm", Some(format!("v{older}")))));
            }
            "arm" => {
                let version = number(own.variant.as_deref()).unwrap_or(7).min(8);
                able.extend((5..version).rev().map(|older| like("arm", Some(format!("v{older}")))));
            }
            _ => {}
        }
        able
    }
}

/// The variants of arm64 that one of `variant` can run as well, best first.
///
/// Armv9.n has everything that Armv8.(n+5) has.
fn arm64_below(variant: Option<&str>) -> Vec<String> {
    let name = |major: u32, minor: u32| match minor {
        0 => format!("v{major}"),
        _ => format!("v{major}.{minor}"),
    };
    let parsed = variant.unwrap_or("v8").strip_prefix('v').and_then(|version| {
        let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?.min(9)))
    });
    match parsed {
        Some((9, minor)) => {
            let nines = (0..minor).rev().map(|older| name(9, older));
            nines.chain((0..=minor + 5).rev().map(|older| name(8, older))).collect()
        }
        Some((8, minor)) => (0..minor).rev().map(|older| name(8, older)).collect(),
        _ => Vec::new(),
    }
}

/// The number in `v3`.
fn number(variant: Option<&str>) -> Option<u32> {
    variant?.strip_prefix('v')?.parse().ok()
}

fn normalize_os(os: &str) -> String {
    match os.to_ascii_lowercase().as_str() {
        "macos" => "darwin".to_owned(),
        other => other.to_owned(),
    }
}

/// Architecture and variant in canonical words: variants that an architecture implies are dropped.
fn normalize(architecture: &str, variant: &str) -> (String, Option<String>) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.to_ascii_lowercase();
    let (architecture, variant) = match architecture.as_str() {
        "i386" | "x86" | "386" => ("386", String::new()),
        "x86_64" | "x86-64" | "amd64" => {
            ("amd64", if variant == "v1" { String::new() } else { variant })
        }
        "aarch64" | "arm64" => {
            let variant = match variant.as_str() {
                "8" | "v8" | "v8.0" | "8.0" => String::new(),
                "9" | "9.0" | "v9.0" => "v9".to_owned(),
                _ => variant,
            };
            ("arm64", variant)
        }
        "armhf" => ("arm", "v7".to_owned()),
        "armel" => ("arm", "v6".to_owned()),
        "arm" => {
            let variant = match variant.as_str() {
                "" => "v7".to_owned(),
                "5" | "6" | "7" | "8" => format!("v{variant}"),
                _ => variant,
            };
            ("arm", variant)
        }
        "powerpc64le" => ("ppc64le", variant),
        other => (other, variant),
    };
    (architecture.to_owned(), Some(variant).filter(|variant| !variant.is_empty()))
}

const KNOWN_OS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
];

const KNOWN_ARCHITECTURES: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
    "ppc64le", "riscv64", "s390x", "wasm",
];

impl FromStr for Platform {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let word = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().all(|part| word(part)) {
            return Err(ParseError::Malformed(text.to_owned()));
        }
        match parts[..] {
            [only] => {
                let host = Self::host();
                let os = normalize_os(only);
                if KNOWN_OS.contains(&os.as_str()) {
                    return Ok(Self { os, ..host });
                }
                let platform = Self::new(&host.os, only);
                if KNOWN_ARCHITECTURES.contains(&platform.architecture.as_str()) {
                    return Ok(platform);
                }
                Err(ParseError::Unknown(text.to_owned()))
            }
            [os, architecture] => Ok(Self::new(os, architecture)),
            [os, architecture, variant] => Ok(Self::with_variant(os, architecture, Some(variant))),
            _ => Err(ParseError::Malformed(text.to_owned())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// Go writes an absent list or string as `null` or empty; all mean the same.
fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn empty_is_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Platform {
        text.parse().unwrap()
    }

    // The table is that of containerd's platforms package (database.go, platforms_test.go).
    #[test]
    fn platforms_are_normalized() {
        for (text, canonical) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm64/v9.0", "linux/arm64/v9"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/i386", "linux/386"),
            ("macOS/arm64", "darwin/arm64"),
            ("Linux/S390x", "linux/s390x"),
        ] {
            assert_eq!(parse(text).to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn a_single_word_is_an_os_or_an_architecture() {
        assert_eq!(parse("amd64"), Platform::new("linux", "amd64"));
        assert_eq!(parse("arm64").architecture, "arm64");
        assert_eq!(parse("linux"), Platform::host());
        for unknown in ["pdp11", "", "linux/", "/amd64", "linux/amd64/v1/x", "linux/am d64"] {
            assert!(unknown.parse::<Platform>().is_err(), "{unknown:?}");
        }
    }

    #[test]
    fn the_host_is_what_this_was_built_for() {
        let host = Platform::host();
        assert_eq!(host.os, "linux");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(host.to_string(), "linux/amd64");
        #[cfg(target_arch = "aarch64")]
        assert_eq!(host.to_string(), "linux/arm64");
    }

    #[test]
    fn preferences_go_from_the_best_to_the_least() {
        let names = |text: &str| -> Vec<String> {
            parse(text).preferences().iter().map(ToString::to_string).collect()
        };
        assert_eq!(names("linux/amd64"), ["linux/amd64", "linux/386"]);
        assert_eq!(
            names("linux/amd64/v3"),
            ["linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386"]
        );
        assert_eq!(names("linux/arm/v7"), ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]);
        assert_eq!(
            names("linux/arm64"),
            ["linux/arm64", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]
        );
        assert_eq!(names("linux/arm64/v8.1")[..2], ["linux/arm64/v8.1", "linux/arm64"]);
        assert_eq!(
            names("linux/arm64/v9")[..4],
            ["linux/arm64/v9", "linux/arm64/v8.5", "linux/arm64/v8.4", "linux/arm64/v8.3"]
        );
        assert_eq!(names("linux/s390x"), ["linux/s390x"]);
    }

    #[test]
    fn a_machine_runs_older_variants_and_never_newer_ones() {
        let amd64 = parse("linux/amd64");
        assert!(amd64.matches(&parse("linux/amd64/v1")));
        assert!(!amd64.matches(&parse("linux/amd64/v2")));
        assert!(!amd64.matches(&parse("linux/arm64")));
        assert!(!amd64.matches(&parse("windows/amd64")));
        assert!(!amd64.matches(&parse("unknown/unknown")));
        assert!(!parse("linux/arm/v6").matches(&parse("linux/arm")));
        let wants = Platform { os_features: vec!["win32k".into()], ..amd64.clone() };
        assert!(!amd64.matches(&wants));
    }

    #[test]
    fn json_has_the_names_of_the_specification() {
        let json = r#"{"os":"windows","architecture":"amd64","os.version":"10.0","os.features":["win32k"]}"#;
        let platform: Platform = serde_json::from_str(json).unwrap();
        assert_eq!(platform.os_version.as_deref(), Some("10.0"));
        assert_eq!(serde_json::to_string(&platform).unwrap(), json);
        let nulls = r#"{"os":"linux","architecture":"arm","variant":"","os.features":null}"#;
        assert_eq!(serde_json::from_str::<Platform>(nulls).unwrap().variant, None);
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(os in "[a-zA-Z0-9]{1,8}", arch in "(x86_64|arm|arm64|aarch64|armhf|386|[a-z0-9]{1,6})", variant in "(v?[0-9](\\.[0-9])?)?") {
            let platform = Platform::with_variant(&os, &arch, Some(&variant));
            prop_assert_eq!(platform.normalized(), platform.clone());
            prop_assert_eq!(platform.rank(&platform), Some(0));
            prop_assert_eq!(platform.to_string().parse::<Platform>().unwrap(), platform);
        }

        #[test]
        fn no_string_makes_parsing_panic(text in "\\PC{0,60}") {
            if let Ok(platform) = text.parse::<Platform>() {
                prop_assert!(platform.preferences().len() < 40);
            }
        }
    }
}

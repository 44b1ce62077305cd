//! Resource limits of a process, `--ulimit name=soft[:hard]`; getrlimit(2).

use oci_spec::runtime::{PosixRlimit, PosixRlimitBuilder, PosixRlimitType};
use rustix::process::{Resource, getrlimit};

/// No limit, `RLIM_INFINITY`.
pub const UNLIMITED: u64 = u64::MAX;

const TABLE: [(&str, PosixRlimitType, Resource); 16] = [
    ("core", PosixRlimitType::RlimitCore, Resource::Core),
    ("cpu", PosixRlimitType::RlimitCpu, Resource::Cpu),
    ("data", PosixRlimitType::RlimitData, Resource::Data),
    ("fsize", PosixRlimitType::RlimitFsize, Resource::Fsize),
    ("locks", PosixRlimitType::RlimitLocks, Resource::Locks),
    ("memlock", PosixRlimitType::RlimitMemlock, Resource::Memlock),
    ("msgqueue", PosixRlimitType::RlimitMsgqueue, Resource::Msgqueue),
    ("nice", PosixRlimitType::RlimitNice, Resource::Nice),
    ("nofile", PosixRlimitType::RlimitNofile, Resource::Nofile),
    ("nproc", PosixRlimitType::RlimitNproc, Resource::Nproc),
    ("rss", PosixRlimitType::RlimitRss, Resource::Rss),
    ("rtprio", PosixRlimitType::RlimitRtprio, Resource::Rtprio),
    ("rttime", PosixRlimitType::RlimitRttime, Resource::Rttime),
    ("sigpending", PosixRlimitType::RlimitSigpending, Resource::Sigpending),
    ("stack", PosixRlimitType::RlimitStack, Resource::Stack),
    ("as", PosixRlimitType::RlimitAs, Resource::As),
];

/// Why a limit is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UlimitError {
    /// Not `name=soft[:hard]`.
    #[error("ulimit {0:?} is not of the form name=soft[:hard]")]
    Malformed(String),
    /// No such limit.
    #[error("unknown ulimit {0:?}")]
    Unknown(String),
    /// The kernel would refuse it.
    #[error("soft limit {soft} of ulimit {name} is above its hard limit {hard}")]
    SoftAboveHard {
        /// The limit.
        name: &'static str,
        /// As asked for.
        soft: u64,
        /// As asked for.
        hard: u64,
    },
    /// Only CAP_SYS_RESOURCE raises a hard limit.
    #[error(
        "ulimit {name} cannot be raised to {asked}: the runtime's own hard limit is {held} and it lacks CAP_SYS_RESOURCE"
    )]
    CannotRaise {
        /// The limit.
        name: &'static str,
        /// As asked for.
        asked: u64,
        /// What the runtime has.
        held: u64,
    },
    /// The same limit twice.
    #[error("ulimit {0} is given twice")]
    Twice(&'static str),
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit {
    index: usize,
    /// What the process starts with; [`UNLIMITED`] for none.
    pub soft: u64,
    /// How far it may raise that itself.
    pub hard: u64,
}

impl Ulimit {
    /// The short name, such as `nofile`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        TABLE[self.index].0
    }

    /// A limit by its short name.
    ///
    /// # Errors
    /// [`UlimitError::Unknown`], [`UlimitError::SoftAboveHard`].
    pub fn new(name: &str, soft: u64, hard: u64) -> Result<Self, UlimitError> {
        let index = TABLE
            .iter()
            .position(|(known, ..)| *known == name)
            .ok_or_else(|| UlimitError::Unknown(name.to_owned()))?;
        if soft > hard {
            return Err(UlimitError::SoftAboveHard { name: TABLE[index].0, soft, hard });
        }
        Ok(Self { index, soft, hard })
    }
}

/// Reads `nofile=1024:4096`, `nproc=100`, `core=-1` or `core=unlimited`.
///
/// # Errors
/// See [`UlimitError`].
pub fn parse(text: &str) -> Result<Ulimit, UlimitError> {
    let malformed = || UlimitError::Malformed(text.to_owned());
    let (name, values) = text.split_once('=').ok_or_else(malformed)?;
    let value = |text: &str| match text {
        "-1" | "unlimited" => Some(UNLIMITED),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    Ulimit::new(name, value(soft).ok_or_else(malformed)?, value(hard).ok_or_else(malformed)?)
}

/// The runtime's own hard limits, which containers can't exceed without CAP_SYS_RESOURCE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HardLimits([u64; TABLE.len()]);

impl HardLimits {
    /// No limit at all.
    pub const NONE: Self = Self([UNLIMITED; TABLE.len()]);

    /// Those of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self(TABLE.map(|(.., resource)| getrlimit(resource).maximum.unwrap_or(UNLIMITED)))
    }
}

/// The list a specification carries.
///
/// # Errors
/// A limit given twice, or above what the runtime can set.
pub fn to_oci(
    ulimits: &[Ulimit],
    held: &HardLimits,
    can_raise: bool,
) -> Result<Vec<PosixRlimit>, UlimitError> {
    let mut list: Vec<PosixRlimit> = Vec::with_capacity(ulimits.len());
    for ulimit in ulimits {
        let (name, typ, _) = TABLE[ulimit.index];
        if list.iter().any(|earlier| earlier.typ() == typ) {
            return Err(UlimitError::Twice(name));
        }
        let held = held.0[ulimit.index];
        if ulimit.hard > held && !can_raise {
            return Err(UlimitError::CannotRaise { name, asked: ulimit.hard, held });
        }
        let limit = PosixRlimitBuilder::default().typ(typ).soft(ulimit.soft).hard(ulimit.hard);
        list.push(limit.build().expect("no field of this builder is required"));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn soft_and_hard_limits_are_read() {
        let limit = parse("nofile=1024:4096").unwrap();
        assert_eq!((limit.name(), limit.soft, limit.hard), ("nofile", 1024, 4096));
        let limit = parse("core=-1").unwrap();
        assert_eq!((limit.soft, limit.hard), (UNLIMITED, UNLIMITED));
        for text in
            ["nofile", "nofile=", "nofile=1:", "nofile=1:2:3", "nofile=-2", "nofile=1k", "=1"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("files=1"), Err(UlimitError::Unknown("files".to_owned())));
        assert!(matches!(parse("nproc=5:4"), Err(UlimitError::SoftAboveHard { .. })));
        assert!(matches!(parse("nproc=-1:4"), Err(UlimitError::SoftAboveHard { .. })));
    }

    #[test]
    fn a_limit_the_runtime_cannot_raise_is_refused_before_anything_starts() {
        let mut held = HardLimits::NONE;
        let nofile = parse("nofile=10:2000").unwrap();
        held.0[nofile.index] = 1999;
        assert_eq!(
            to_oci(&[nofile], &held, false),
            Err(UlimitError::CannotRaise { name: "nofile", asked: 2000, held: 1999 })
        );
        assert_eq!(to_oci(&[nofile], &held, true).unwrap()[0].hard(), 2000);
        assert_eq!(to_oci(&[nofile, nofile], &held, true), Err(UlimitError::Twice("nofile")));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_soft_never_exceeds_hard(text in "(nofile|core)=[0-9:\\-]{0,24}|\\PC{0,20}") {
            if let Ok(limit) = parse(&text) {
                prop_assert!(limit.soft <= limit.hard);
            }
        }
    }
}

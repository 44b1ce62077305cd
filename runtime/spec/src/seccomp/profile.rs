//! Profiles as moby and containers-common write them: an OCI filter whose rules also say
//! for which capabilities, architectures and kernels they hold.
//!
//! Unknown fields are refused: a condition that is not understood would widen the filter.

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompBuilder,
    LinuxSeccompFilterFlag, LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};
use serde::Deserialize;

use super::{Machine, argument};
use crate::capabilities::{self, CapabilityName, CapabilitySet};

/// The largest profile that is read, in bytes; the published ones have 20 thousand.
pub const PROFILE_CAP: usize = 4 * 1024 * 1024;

/// Why a profile is refused.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No JSON of this shape.
    #[error("seccomp profile cannot be read")]
    Malformed(#[from] serde_json::Error),
    /// More than [`PROFILE_CAP`].
    #[error("seccomp profile is larger than {PROFILE_CAP} bytes")]
    TooLarge,
    /// Neither or both.
    #[error("seccomp profile names architectures both plainly and by archMap")]
    Architectures,
    /// A symbolic error number this crate does not know, without its number beside.
    #[error("seccomp profile names the unknown error {0:?}")]
    Errno(String),
    /// An argument index above 5.
    #[error("seccomp profile compares argument {index} of {syscall:?}: there are six, from 0")]
    Argument {
        /// The rule's first system call.
        syscall: String,
        /// As written.
        index: usize,
    },
    /// Not `major.minor`.
    #[error("seccomp profile names the malformed kernel version {0:?}")]
    Kernel(String),
    /// Nobody would listen.
    #[error("seccomp profile hands calls to a listener, which is not supported")]
    Notify,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    default_errno: Option<String>,
    #[serde(default)]
    architectures: Option<Vec<Arch>>,
    #[serde(default)]
    arch_map: Option<Vec<ArchEntry>>,
    #[serde(default)]
    flags: Option<Vec<LinuxSeccompFilterFlag>>,
    #[serde(default)]
    listener_path: Option<String>,
    #[serde(default)]
    listener_metadata: Option<String>,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ArchEntry {
    architecture: Arch,
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    names: Option<Vec<String>>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    errno: Option<String>,
    #[serde(default)]
    args: Option<Vec<Comparison>>,
    #[serde(default)]
    includes: Option<Condition>,
    #[serde(default)]
    excludes: Option<Condition>,
    #[serde(default, rename = "comment")]
    _comment: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Comparison {
    index: usize,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: LinuxSeccompOperator,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Condition {
    #[serde(default)]
    caps: Option<Vec<String>>,
    #[serde(default)]
    arches: Option<Vec<String>>,
    #[serde(default)]
    min_kernel: Option<String>,
}

/// What a profile's conditions are held against.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// What the container holds.
    pub granted: CapabilitySet,
    /// What it runs on.
    pub machine: Machine,
    /// The kernel's version, major and minor.
    pub kernel: (u32, u32),
}

/// Reads a profile and keeps the rules that hold under `circumstances`.
///
/// # Errors
/// See [`ProfileError`].
pub fn compile(
    document: &[u8],
    circumstances: &Circumstances,
) -> Result<LinuxSeccomp, ProfileError> {
    if document.len() > PROFILE_CAP {
        return Err(ProfileError::TooLarge);
    }
    let document: Document = serde_json::from_slice(document)?;
    let rules = document.syscalls.unwrap_or_default();
    let notify = LinuxSeccompAction::ScmpActNotify;
    if document.listener_path.is_some()
        || document.listener_metadata.is_some()
        || document.default_action == notify
        || rules.iter().any(|rule| rule.action == notify)
    {
        return Err(ProfileError::Notify);
    }
    let mut syscalls = Vec::new();
    for rule in rules {
        if applies(&rule, circumstances)? {
            syscalls.extend(to_oci(rule)?);
        }
    }
    let mut builder =
        LinuxSeccompBuilder::default().default_action(document.default_action).syscalls(syscalls);
    if let Some(errno) = errno(document.default_errno_ret, document.default_errno)? {
        builder = builder.default_errno_ret(errno);
    }
    let listed = document.architectures.filter(|list| !list.is_empty());
    let mapped = document.arch_map.filter(|list| !list.is_empty());
    let architectures = match (listed, mapped) {
        (Some(_), Some(_)) => return Err(ProfileError::Architectures),
        (Some(list), None) => Some(list),
        (None, Some(map)) => Some(from_map(map, circumstances.machine)),
        (None, None) => None,
    };
    if let Some(architectures) = architectures {
        builder = builder.architectures(architectures);
    }
    if let Some(flags) = document.flags.filter(|flags| !flags.is_empty()) {
        builder = builder.flags(flags);
    }
    Ok(builder.build().expect("every field without a default is set"))
}

fn from_map(map: Vec<ArchEntry>, machine: Machine) -> Vec<Arch> {
    let native = machine.architectures()[0];
    map.into_iter()
        .find(|entry| entry.architecture == native)
        .map(|entry| {
            let mut list = vec![entry.architecture];
            list.extend(entry.sub_architectures.unwrap_or_default());
            list
        })
        .unwrap_or_default()
}

/// Includes must all hold (every capability, one of the architectures), excludes none.
fn applies(rule: &Rule, circumstances: &Circumstances) -> Result<bool, ProfileError> {
    let here = |arches: &[String]| {
        let name = match circumstances.machine {
            Machine::X86_64 => "amd64",
            Machine::Aarch64 => "arm64",
        };
        arches.iter().any(|arch| arch == name)
    };
    // A capability nobody knows is one nobody holds.
    let holds = |name: &String| {
        matches!(capabilities::parse(name),
            Ok(CapabilityName::One(capability)) if circumstances.granted.contains(capability))
    };
    if let Some(includes) = &rule.includes {
        let kernel = match &includes.min_kernel {
            Some(text) => circumstances.kernel >= parse_kernel(text)?,
            None => true,
        };
        let arches = includes.arches.as_ref().is_none_or(|a| a.is_empty() || here(a));
        let caps = includes.caps.as_ref().is_none_or(|caps| caps.iter().all(holds));
        if !(kernel && arches && caps) {
            return Ok(false);
        }
    }
    if let Some(excludes) = &rule.excludes {
        let kernel = match &excludes.min_kernel {
            Some(text) => circumstances.kernel >= parse_kernel(text)?,
            None => false,
        };
        let arches = excludes.arches.as_ref().is_some_and(|a| here(a));
        let caps = excludes.caps.as_ref().is_some_and(|caps| caps.iter().any(holds));
        if kernel || arches || caps {
            return Ok(false);
        }
    }
    Ok(true)
}

fn parse_kernel(text: &str) -> Result<(u32, u32), ProfileError> {
    text.split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .ok_or_else(|| ProfileError::Kernel(text.to_owned()))
}

fn to_oci(rule: Rule) -> Result<Option<LinuxSyscall>, ProfileError> {
    let mut names = rule.names.unwrap_or_default();
    names.extend(rule.name);
    if names.is_empty() {
        return Ok(None);
    }
    let mut arguments: Vec<LinuxSeccompArg> = Vec::new();
    for comparison in rule.args.unwrap_or_default() {
        if comparison.index > 5 {
            let syscall = names[0].clone();
            return Err(ProfileError::Argument { syscall, index: comparison.index });
        }
        arguments.push(argument(
            comparison.index,
            comparison.value,
            Some(comparison.value_two),
            comparison.op,
        ));
    }
    let mut builder = LinuxSyscallBuilder::default().names(names).action(rule.action);
    if let Some(errno) = errno(rule.errno_ret, rule.errno)? {
        builder = builder.errno_ret(errno);
    }
    if !arguments.is_empty() {
        builder = builder.args(arguments);
    }
    Ok(Some(builder.build().expect("every field without a default is set")))
}

/// The number, or the one its name stands for (`asm-generic/errno.h`).
fn errno(number: Option<u32>, name: Option<String>) -> Result<Option<u32>, ProfileError> {
    const KNOWN: [(&str, u32); 12] = [
        ("EPERM", 1),
        ("ENOENT", 2),
        ("EINTR", 4),
        ("EIO", 5),
        ("ENXIO", 6),
        ("EAGAIN", 11),
        ("ENOMEM", 12),
        ("EACCES", 13),
        ("EINVAL", 22),
        ("ENOSYS", 38),
        ("EOPNOTSUPP", 95),
        ("EAFNOSUPPORT", 97),
    ];
    match (number, name) {
        (Some(number), _) => Ok(Some(number)),
        (None, None) => Ok(None),
        (None, Some(name)) => match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, number)) => Ok(Some(*number)),
            None => Err(ProfileError::Errno(name)),
        },
    }
}

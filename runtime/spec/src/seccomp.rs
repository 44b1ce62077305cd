//! Seccomp filters for a specification: the default one, a profile of the user's, none
//! (runtime-spec, config-linux.md, "Seccomp").

pub mod bpf;
mod default;
pub mod profile;

use oci_spec::runtime::{
    Arch, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompBuilder, LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};

use crate::capabilities::CapabilitySet;
use default::{
    ALLOWED, GATED, NAMESPACE_FLAGS, NEVER_EPERM, PERSONALITIES, REFUSED, REFUSED_FAMILIES,
};

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Which filter a container runs under.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Seccomp {
    /// The default profile for the container's capabilities.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// A JSON document in the format of moby's and containers-common's profiles.
    Profile(Vec<u8>),
}

/// The machine architecture filters are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// x86_64, with 32-bit x86 programs.
    X86_64,
    /// 64-bit ARM, with 32-bit ARM programs.
    Aarch64,
}

impl Machine {
    /// The one this program was built for.
    pub const BUILT_FOR: Self =
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    /// The names filters use for the native architecture and the one of 32-bit programs.
    ///
    /// x32 is left out: distributions boot with it off. With libseccomp its calls would end
    /// the program; with [`bpf`] they get ENOSYS, as on a kernel without them.
    fn architectures(self) -> Vec<Arch> {
        match self {
            Self::X86_64 => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86],
            Self::Aarch64 => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        }
    }

    fn allowed_here(self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &["arch_prctl", "modify_ldt"],
            Self::Aarch64 => &[
                "arm_fadvise64_64",
                "arm_sync_file_range",
                "breakpoint",
                "cacheflush",
                "set_tls",
                "sync_file_range2",
            ],
        }
    }
}

/// The default filter for a container that holds `granted`.
///
/// One rule carries every call allowed without conditions and one every EPERM, so that the
/// document stays small: it is parsed at each start and each exec.
#[must_use]
pub fn default_filter(granted: CapabilitySet, machine: Machine) -> LinuxSeccomp {
    let mut allowed: Vec<&str> = [ALLOWED, machine.allowed_here()].concat();
    let mut refused: Vec<&str> = REFUSED.to_vec();
    for (capability, names) in GATED {
        let list = if granted.contains(*capability) { &mut allowed } else { &mut refused };
        list.extend(*names);
    }
    allowed.sort_unstable();
    allowed.dedup();
    refused.retain(|name| allowed.binary_search(name).is_err() && !NEVER_EPERM.contains(name));
    refused.sort_unstable();
    refused.dedup();

    let allow = LinuxSeccompAction::ScmpActAllow;
    let mut rules = vec![
        rule(&allowed, allow, None, None),
        rule(&refused, LinuxSeccompAction::ScmpActErrno, Some(EPERM), None),
    ];
    for value in PERSONALITIES {
        let equal = argument(0, *value, None, LinuxSeccompOperator::ScmpCmpEq);
        rules.push(rule(&["personality"], allow, None, Some(equal)));
    }
    // One comparison a rule: below the first family refused, between the two, above both.
    let [low, high] = REFUSED_FAMILIES;
    for (value, operator) in [
        (low, LinuxSeccompOperator::ScmpCmpLt),
        (low + 1, LinuxSeccompOperator::ScmpCmpEq),
        (high, LinuxSeccompOperator::ScmpCmpGt),
    ] {
        rules.push(rule(&["socket"], allow, None, Some(argument(0, value, None, operator))));
    }
    if !granted.contains(Capability::SysAdmin) {
        let masked = LinuxSeccompOperator::ScmpCmpMaskedEq;
        let plain = argument(0, NAMESPACE_FLAGS, Some(0), masked);
        rules.push(rule(&["clone"], allow, None, Some(plain)));
    }
    LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(ENOSYS)
        .architectures(machine.architectures())
        .syscalls(rules)
        .build()
        .expect("every field without a default is set")
}

fn rule(
    names: &[&str],
    action: LinuxSeccompAction,
    errno: Option<u32>,
    argument: Option<LinuxSeccompArg>,
) -> LinuxSyscall {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut builder = LinuxSyscallBuilder::default().names(names).action(action);
    if let Some(errno) = errno {
        builder = builder.errno_ret(errno);
    }
    if let Some(argument) = argument {
        builder = builder.args(vec![argument]);
    }
    builder.build().expect("every field without a default is set")
}

fn argument(
    index: usize,
    value: u64,
    value_two: Option<u64>,
    operator: LinuxSeccompOperator,
) -> LinuxSeccompArg {
    let builder = LinuxSeccompArgBuilder::default().index(index).value(value).op(operator);
    let builder = match value_two {
        Some(value_two) => builder.value_two(value_two),
        None => builder,
    };
    builder.build().expect("every field without a default is set")
}

#[cfg(test)]
mod tests;

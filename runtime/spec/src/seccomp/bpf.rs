//! Filters as the kernel takes them: a [`LinuxSeccomp`] turned into a classic BPF program
//! (seccomp(2); `Documentation/userspace-api/seccomp_filter.rst`).
//!
//! libseccomp needs milliseconds for the default filter, most of what starting a container
//! costs, and writes a chain of comparisons that every system call walks. Here the calls of
//! an architecture become ranges of numbers with one verdict each, and the ranges a search
//! tree: built in microseconds, loaded faster, and seven comparisons deep.
//!
//! What differs from libseccomp: calls of x32 always get ENOSYS, as on a kernel without it;
//! an architecture the filter does not name ends the process; of two rules that both fit a
//! call, the first holds, one without conditions before those with.

mod argument;
mod numbers;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;

use isopod_sys::seccomp::Instruction;
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSyscall,
};

use super::Machine;
use numbers::{Abi, number};

/// The longest program the kernel takes, `BPF_MAXINSNS`.
const LONGEST: usize = 4096;

/// Why a filter cannot be assembled.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AssembleError {
    /// Nobody would listen.
    #[error("seccomp filter hands {0:?} to a listener, which is not supported")]
    Notify(String),
    /// There are six.
    #[error("seccomp filter compares argument {index} of {name:?}: there are six, from 0")]
    Argument {
        /// The call.
        name: String,
        /// As written.
        index: usize,
    },
    /// The kernel would not take it.
    #[error("seccomp filter has {0} instructions, more than the {LONGEST} the kernel takes")]
    TooLong(usize),
}

/// A filter to load with [`isopod_sys::seccomp::load`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
    /// At most 4096.
    pub instructions: Vec<Instruction>,
}

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

const RET: u16 = 0x06;
const LD_ABS: u16 = 0x20;
const JMP_JA: u16 = 0x05;
const JMP_JEQ: u16 = 0x15;
const JMP_JGT: u16 = 0x25;
const JMP_JGE: u16 = 0x35;
const ALU_AND: u16 = 0x54;

const KILL_PROCESS: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;
const ENOSYS: u32 = 38;

/// Calls of x32 carry this bit, and `AUDIT_ARCH_X86_64`.
const X32_BIT: u32 = 0x4000_0000;

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// Whatever its arguments, the `SECCOMP_RET_*` value.
    Plain(u32),
    /// The first rule that fits, else the filter's default.
    Conditional(Vec<(Vec<LinuxSeccompArg>, u32)>),
}

/// Assembles `filter` for programs that run on `machine`.
///
/// The native architecture is always among those filtered; of the others the filter names,
/// the ones this machine can run. Names no architecture here has are passed over: the
/// kernel cannot be asked for them.
///
/// # Errors
/// See [`AssembleError`].
pub fn assemble(filter: &LinuxSeccomp, machine: Machine) -> Result<Program, AssembleError> {
    let default = action(filter.default_action(), filter.default_errno_ret(), "every other call")?;
    let listed = |arch| filter.architectures().iter().flatten().any(|a| *a == arch);
    let (native, foreign) = match machine {
        Machine::X86_64 => (Abi::X86_64, (Abi::X86, Arch::ScmpArchX86)),
        Machine::Aarch64 => (Abi::Aarch64, (Abi::Arm, Arch::ScmpArchArm)),
    };
    let mut abis = vec![native];
    if listed(foreign.1) {
        abis.push(foreign.0);
    }

    let mut instructions = vec![load(ARCHITECTURE)];
    for abi in abis {
        let body = section(filter, abi, default)?;
        // A section may be longer than a comparison can skip.
        let length = u32::try_from(body.len()).map_err(|_| AssembleError::TooLong(body.len()))?;
        instructions.push(compare(JMP_JEQ, audit_arch(abi), 1, 0));
        instructions.push(jump(length));
        instructions.extend(body);
    }
    instructions.push(ret(KILL_PROCESS));
    if instructions.len() > LONGEST {
        return Err(AssembleError::TooLong(instructions.len()));
    }
    Ok(Program { flags: flags(filter), instructions })
}

/// The program for one architecture; it always returns.
fn section(
    filter: &LinuxSeccomp,
    abi: Abi,
    default: u32,
) -> Result<Vec<Instruction>, AssembleError> {
    let verdicts = verdicts(filter, abi, default)?;
    let mut body = vec![load(NUMBER)];
    if abi == Abi::X86_64 {
        body.push(compare(JMP_JGE, X32_BIT, 0, 1));
        body.push(ret(ERRNO | ENOSYS));
    }
    body.extend(tree::search(&tree::ranges(verdicts, default), default));
    Ok(body)
}

fn verdicts(
    filter: &LinuxSeccomp,
    abi: Abi,
    default: u32,
) -> Result<BTreeMap<u32, Verdict>, AssembleError> {
    let mut verdicts: BTreeMap<u32, Verdict> = BTreeMap::new();
    for rule in filter.syscalls().iter().flatten() {
        let name = rule.names().first().map_or("", String::as_str);
        let action = action(rule.action(), rule.errno_ret(), name)?;
        if action == default {
            continue;
        }
        for name in rule.names() {
            if let Some(number) = number(name, abi) {
                add(&mut verdicts, number, rule, action, name)?;
            }
            if abi == Abi::X86 && !has_arguments(rule) {
                add_multiplexed(&mut verdicts, name, action);
            }
        }
    }
    Ok(verdicts)
}

fn has_arguments(rule: &LinuxSyscall) -> bool {
    rule.args().as_ref().is_some_and(|arguments| !arguments.is_empty())
}

fn add(
    verdicts: &mut BTreeMap<u32, Verdict>,
    number: u32,
    rule: &LinuxSyscall,
    action: u32,
    name: &str,
) -> Result<(), AssembleError> {
    let arguments = rule.args().clone().unwrap_or_default();
    if let Some(bad) = arguments.iter().find(|argument| argument.index() > 5) {
        let (name, index) = (name.to_owned(), bad.index());
        return Err(AssembleError::Argument { name, index });
    }
    let entry = verdicts.entry(number);
    if arguments.is_empty() {
        // A rule without conditions holds whatever rules with conditions say.
        // Of two such rules the first holds, as with libseccomp; a published profile has a
        // pair.
        let verdict = entry.or_insert(Verdict::Plain(action));
        if let Verdict::Conditional(_) = verdict {
            *verdict = Verdict::Plain(action);
        }
        return Ok(());
    }
    // runc reads a rule that compares one argument twice as two rules.
    let twice = (1..arguments.len())
        .any(|i| arguments[..i].iter().any(|other| other.index() == arguments[i].index()));
    let cases: Vec<Vec<LinuxSeccompArg>> =
        if twice { arguments.into_iter().map(|a| vec![a]).collect() } else { vec![arguments] };
    if let Verdict::Conditional(rules) = entry.or_insert_with(|| Verdict::Conditional(Vec::new())) {
        rules.extend(cases.into_iter().map(|case| (case, action)));
    }
    Ok(())
}

/// 32-bit x86 also reaches sockets through `socketcall` and System V IPC through `ipc`,
/// whose first argument says which: a rule on the call holds there too, unless the filter
/// decides about the whole door.
fn add_multiplexed(verdicts: &mut BTreeMap<u32, Verdict>, name: &str, action: u32) {
    const SOCKETCALL: [&str; 20] = [
        "socket",
        "bind",
        "connect",
        "listen",
        "accept",
        "getsockname",
        "getpeername",
        "socketpair",
        "send",
        "recv",
        "sendto",
        "recvfrom",
        "shutdown",
        "setsockopt",
        "getsockopt",
        "sendmsg",
        "recvmsg",
        "accept4",
        "recvmmsg",
        "sendmmsg",
    ];
    const IPC: [(&str, u64); 11] = [
        ("semop", 1),
        ("semget", 2),
        ("semctl", 3),
        ("msgsnd", 11),
        ("msgrcv", 12),
        ("msgget", 13),
        ("msgctl", 14),
        ("shmat", 21),
        ("shmdt", 22),
        ("shmget", 23),
        ("shmctl", 24),
    ];
    let socket = SOCKETCALL.iter().position(|known| *known == name);
    let ipc = IPC.iter().find(|(known, _)| *known == name).map(|(_, call)| *call);
    let (door, call) = match (socket, ipc) {
        (Some(place), _) => ("socketcall", place as u64 + 1),
        (None, Some(call)) => ("ipc", call),
        (None, None) => return,
    };
    let Some(number) = number(door, Abi::X86) else { return };
    let equal = oci_spec::runtime::LinuxSeccompOperator::ScmpCmpEq;
    let condition = super::argument(0, call, None, equal);
    let verdict = verdicts.entry(number).or_insert_with(|| Verdict::Conditional(Vec::new()));
    if let Verdict::Conditional(rules) = verdict {
        rules.push((vec![condition], action));
    }
}

/// The kernel's return value for an action.
fn action(
    action: LinuxSeccompAction,
    errno: Option<u32>,
    name: &str,
) -> Result<u32, AssembleError> {
    const EPERM: u32 = 1;
    let data = errno.unwrap_or(EPERM) & 0xffff;
    Ok(match action {
        LinuxSeccompAction::ScmpActAllow => 0x7fff_0000,
        LinuxSeccompAction::ScmpActLog => 0x7ffc_0000,
        LinuxSeccompAction::ScmpActTrace => 0x7ff0_0000 | data,
        LinuxSeccompAction::ScmpActErrno => ERRNO | data,
        LinuxSeccompAction::ScmpActTrap => 0x0003_0000,
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => 0,
        LinuxSeccompAction::ScmpActKillProcess => KILL_PROCESS,
        LinuxSeccompAction::ScmpActNotify => return Err(AssembleError::Notify(name.to_owned())),
    })
}

fn flags(filter: &LinuxSeccomp) -> u32 {
    let bit = |flag: &LinuxSeccompFilterFlag| match flag {
        LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 1,
        LinuxSeccompFilterFlag::SeccompFilterFlagLog => 1 << 1,
        LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => 1 << 2,
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => 1 << 5,
    };
    filter.flags().iter().flatten().map(bit).fold(0, |all, flag| all | flag)
}

/// `AUDIT_ARCH_*` of `linux/audit.h`.
fn audit_arch(abi: Abi) -> u32 {
    match abi {
        Abi::X86_64 => 0xc000_003e,
        Abi::X86 => 0x4000_0003,
        Abi::Aarch64 => 0xc000_00b7,
        Abi::Arm => 0x4000_0028,
    }
}

const fn load(offset: u32) -> Instruction {
    Instruction { code: LD_ABS, jt: 0, jf: 0, k: offset }
}

const fn ret(value: u32) -> Instruction {
    Instruction { code: RET, jt: 0, jf: 0, k: value }
}

const fn jump(over: u32) -> Instruction {
    Instruction { code: JMP_JA, jt: 0, jf: 0, k: over }
}

const fn compare(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

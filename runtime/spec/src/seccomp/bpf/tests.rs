//! The assembled program, run against the document it was made from.

use oci_spec::runtime::{LinuxSeccompBuilder, LinuxSeccompOperator, LinuxSyscallBuilder};
use proptest::prelude::*;

use super::super::{argument as compare_argument, default_filter};
use super::numbers::TABLE;
use super::*;
use crate::capabilities::CapabilitySet;

const ALLOW: u32 = 0x7fff_0000;
const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;

/// What the kernel would return: its classic BPF, over `struct seccomp_data`.
fn run(program: &Program, arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_le_bytes());
    data.extend(arch.to_le_bytes());
    data.extend(0u64.to_le_bytes());
    data.extend(arguments.iter().flat_map(|a| a.to_le_bytes()));
    let (mut at, mut accumulator) = (0usize, 0u32);
    loop {
        let i = program.instructions[at];
        at += 1;
        let skip = |holds: bool| usize::from(if holds { i.jt } else { i.jf });
        match i.code {
            LD_ABS => {
                let k = i.k as usize;
                accumulator = u32::from_le_bytes(data[k..k + 4].try_into().unwrap());
            }
            ALU_AND => accumulator &= i.k,
            JMP_JA => at += i.k as usize,
            JMP_JEQ => at += skip(accumulator == i.k),
            JMP_JGT => at += skip(accumulator > i.k),
            JMP_JGE => at += skip(accumulator >= i.k),
            RET => return i.k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

/// What the specification says, read off the document: the rules of `call`.
struct Meaning<'a> {
    rules: Vec<&'a LinuxSyscall>,
    default: u32,
}

impl<'a> Meaning<'a> {
    fn of(filter: &'a LinuxSeccomp, abi: Abi, call: u32) -> Self {
        let named: Vec<_> =
            TABLE.iter().map(|(name, _)| *name).filter(|n| number(n, abi) == Some(call)).collect();
        let rules = filter.syscalls().iter().flatten();
        Self {
            rules: rules
                .filter(|r| r.names().iter().any(|n| named.contains(&n.as_str())))
                .collect(),
            default: action(filter.default_action(), filter.default_errno_ret(), "").unwrap(),
        }
    }

    fn verdict(&self, arguments: [u64; 6]) -> u32 {
        let holds = |a: &LinuxSeccompArg| {
            let (value, second) = (a.value(), a.value_two().unwrap_or(0));
            let found = arguments[a.index()];
            match a.op() {
                LinuxSeccompOperator::ScmpCmpEq => found == value,
                LinuxSeccompOperator::ScmpCmpNe => found != value,
                LinuxSeccompOperator::ScmpCmpLt => found < value,
                LinuxSeccompOperator::ScmpCmpLe => found <= value,
                LinuxSeccompOperator::ScmpCmpGe => found >= value,
                LinuxSeccompOperator::ScmpCmpGt => found > value,
                LinuxSeccompOperator::ScmpCmpMaskedEq => found & value == second,
            }
        };
        let fits = |rule: &LinuxSyscall| rule.args().iter().flatten().all(holds);
        let plain = self.rules.iter().find(|rule| rule.args().is_none());
        plain
            .or_else(|| self.rules.iter().find(|rule| fits(rule)))
            .map_or(self.default, |r| action(r.action(), r.errno_ret(), "").unwrap())
    }
}

#[test]
fn numbers_are_those_of_the_kernels_headers() {
    for (header, abi) in [("64", Abi::X86_64), ("32", Abi::X86)] {
        let path = format!("/usr/include/x86_64-linux-gnu/asm/unistd_{header}.h");
        let text = std::fs::read_to_string(path).unwrap();
        let mut count = 0;
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("#define __NR_") else { continue };
            let (name, value) = rest.split_once(' ').unwrap();
            assert_eq!(number(name, abi), value.trim().parse().ok(), "{name}");
            count += 1;
        }
        assert!(count > 350);
    }
    assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn the_default_filter_means_what_its_document_says_for_every_call() {
    for granted in [CapabilitySet::container_default(), CapabilitySet::up_to(40)] {
        let filter = default_filter(granted, Machine::X86_64);
        let program = assemble(&filter, Machine::X86_64).unwrap();
        for (arch, abi) in [(X86_64, Abi::X86_64), (I386, Abi::X86)] {
            for call in 0..600 {
                let meaning = Meaning::of(&filter, abi, call);
                for first in
                    [0, 1, 8, 17, 38, 39, 40, 41, 0x1000_0011, 0x2_0000, 0xffff_ffff, 1 << 40]
                {
                    let arguments = [first, 0, 0, 0, 0, 0];
                    let found = run(&program, arch, call, arguments);
                    assert_eq!(found, meaning.verdict(arguments), "{call} {first:#x}");
                }
            }
        }
    }
}

#[test]
fn calls_of_other_architectures_never_pass() {
    let filter = default_filter(CapabilitySet::up_to(40), Machine::X86_64);
    let program = assemble(&filter, Machine::X86_64).unwrap();
    for call in 0..600 {
        assert_eq!(run(&program, 0xc000_00b7, call, [0; 6]), KILL_PROCESS);
        assert_eq!(run(&program, X86_64, call | X32_BIT, [0; 6]), ERRNO | ENOSYS);
    }
    let open = LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActAllow)
        .build()
        .unwrap();
    let program = assemble(&open, Machine::X86_64).unwrap();
    assert_eq!(run(&program, X86_64, 0, [0; 6]), ALLOW);
    assert_eq!(run(&program, X86_64, X32_BIT, [0; 6]), ERRNO | ENOSYS);
    assert_eq!(run(&program, I386, 0, [0; 6]), KILL_PROCESS);
}

#[test]
fn a_refused_socket_is_refused_through_socketcall_too() {
    let rule = LinuxSyscallBuilder::default()
        .names(vec!["socket".to_owned(), "shmget".to_owned()])
        .action(LinuxSeccompAction::ScmpActErrno)
        .build()
        .unwrap();
    let filter = LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActAllow)
        .architectures(vec![Arch::ScmpArchX86])
        .syscalls(vec![rule])
        .build()
        .unwrap();
    let program = assemble(&filter, Machine::X86_64).unwrap();
    let (socketcall, ipc) = (102, 117);
    assert_eq!(run(&program, I386, socketcall, [1, 0, 0, 0, 0, 0]), ERRNO | 1);
    assert_eq!(run(&program, I386, socketcall, [2, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(run(&program, I386, ipc, [23, 0, 0, 0, 0, 0]), ERRNO | 1);
    assert_eq!(run(&program, I386, ipc, [1, 0, 0, 0, 0, 0]), ALLOW);
}

#[test]
fn the_published_profile_assembles_too() {
    let document = std::fs::read("/usr/share/containers/seccomp.json").unwrap();
    let circumstances = super::super::profile::Circumstances {
        granted: CapabilitySet::container_default(),
        machine: Machine::X86_64,
        kernel: (6, 1),
    };
    let filter = super::super::profile::compile(&document, &circumstances).unwrap();
    let program = assemble(&filter, Machine::X86_64).unwrap();
    for call in 0..600 {
        let found = run(&program, X86_64, call, [0; 6]);
        assert_eq!(found, Meaning::of(&filter, Abi::X86_64, call).verdict([0; 6]), "{call}");
    }
}

#[test]
fn filters_that_cannot_be_kept_are_refused() {
    let rule = |action, args: Vec<LinuxSeccompArg>| {
        let builder = LinuxSyscallBuilder::default().names(vec!["read".to_owned()]).action(action);
        if args.is_empty() { builder.build() } else { builder.args(args).build() }.unwrap()
    };
    let with = |rules: Vec<LinuxSyscall>| {
        let filter = LinuxSeccompBuilder::default()
            .default_action(LinuxSeccompAction::ScmpActErrno)
            .syscalls(rules)
            .build()
            .unwrap();
        assemble(&filter, Machine::X86_64)
    };
    let allow = LinuxSeccompAction::ScmpActAllow;
    let read = "read".to_owned();
    assert_eq!(
        with(vec![rule(LinuxSeccompAction::ScmpActNotify, vec![])]),
        Err(AssembleError::Notify(read.clone()))
    );
    let equal = LinuxSeccompOperator::ScmpCmpEq;
    let bad = compare_argument(6, 0, None, equal);
    assert_eq!(
        with(vec![rule(allow, vec![bad])]),
        Err(AssembleError::Argument { name: read, index: 6 })
    );
    let many = (0..1500).map(|n| rule(allow, vec![compare_argument(0, n, None, equal)])).collect();
    assert!(matches!(with(many), Err(AssembleError::TooLong(_))));
}

fn an_operator() -> impl Strategy<Value = LinuxSeccompOperator> {
    proptest::sample::select(vec![
        LinuxSeccompOperator::ScmpCmpEq,
        LinuxSeccompOperator::ScmpCmpNe,
        LinuxSeccompOperator::ScmpCmpLt,
        LinuxSeccompOperator::ScmpCmpLe,
        LinuxSeccompOperator::ScmpCmpGe,
        LinuxSeccompOperator::ScmpCmpGt,
        LinuxSeccompOperator::ScmpCmpMaskedEq,
    ])
}

fn a_value() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..4, Just(u64::MAX), (0u64..4).prop_map(|n| n << 32 | 1), any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_filter_means_what_its_document_says(
        rules in proptest::collection::vec(
            (0usize..40, 1u32..4, proptest::collection::btree_map(
                0usize..6, (an_operator(), a_value(), a_value()), 1..4)),
            0..12),
        plain in proptest::collection::btree_map(0usize..40, 1u32..4, 0..8),
        probes in proptest::collection::vec((0usize..40, proptest::array::uniform6(a_value())), 20),
    ) {
        let name = |place: usize| TABLE[place * 7].0.to_owned();
        let rule = |place: usize, errno: u32| LinuxSyscallBuilder::default()
            .names(vec![name(place)]).action(LinuxSeccompAction::ScmpActErrno).errno_ret(errno);
        let mut list: Vec<_> =
            plain.iter().map(|(place, errno)| rule(*place, *errno).build().unwrap()).collect();
        for (place, errno, arguments) in &rules {
            let arguments: Vec<_> = arguments.iter().map(|(index, (op, value, second))| {
                compare_argument(*index, *value, Some(*second), *op)
            }).collect();
            list.push(rule(*place, *errno).args(arguments).build().unwrap());
        }
        let filter = LinuxSeccompBuilder::default()
            .default_action(LinuxSeccompAction::ScmpActAllow).syscalls(list).build().unwrap();
        let program = assemble(&filter, Machine::X86_64).unwrap();
        for (place, arguments) in probes {
            if let Some(call) = number(&name(place), Abi::X86_64) {
                prop_assert_eq!(
                    run(&program, X86_64, call, arguments),
                    Meaning::of(&filter, Abi::X86_64, call).verdict(arguments)
                );
            }
        }
    }
}

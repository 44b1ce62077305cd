//! Comparisons of 64-bit arguments by 32-bit instructions.

use oci_spec::runtime::{LinuxSeccompArg, LinuxSeccompOperator};

use super::{ALU_AND, Instruction, JMP_JEQ, JMP_JGE, JMP_JGT, compare, load, ret};

/// `args` in `struct seccomp_data`, little-endian.
const ARGUMENTS: u32 = 16;

/// The first rule whose comparisons all hold decides, else the default.
pub(super) fn rules(rules: &[(Vec<LinuxSeccompArg>, u32)], default: u32) -> Vec<Instruction> {
    let mut body = Vec::new();
    for (arguments, verdict) in rules {
        // From the last comparison to the first: a failure skips all that follow it.
        let mut rule = vec![ret(*verdict)];
        for argument in arguments.iter().rev() {
            let rest = u8::try_from(rule.len()).expect("six comparisons have 43 instructions");
            let mut block = comparison(argument, rest);
            block.append(&mut rule);
            rule = block;
        }
        body.append(&mut rule);
    }
    body.push(ret(default));
    body
}

/// Falls through if the comparison holds, else skips `rest` instructions more.
fn comparison(argument: &LinuxSeccompArg, rest: u8) -> Vec<Instruction> {
    let place = ARGUMENTS + 8 * u32::try_from(argument.index()).expect("an index is at most 5");
    let (low, high) = (load(place), load(place + 4));
    let (value, second) = (argument.value(), argument.value_two().unwrap_or(0));
    match argument.op() {
        LinuxSeccompOperator::ScmpCmpEq => vec![
            high,
            compare(JMP_JEQ, upper(value), 0, rest + 2),
            low,
            compare(JMP_JEQ, lower(value), 0, rest),
        ],
        LinuxSeccompOperator::ScmpCmpNe => vec![
            high,
            compare(JMP_JEQ, upper(value), 0, 2),
            low,
            compare(JMP_JEQ, lower(value), rest, 0),
        ],
        LinuxSeccompOperator::ScmpCmpMaskedEq => vec![
            high,
            compare(ALU_AND, upper(value), 0, 0),
            compare(JMP_JEQ, upper(second), 0, rest + 3),
            low,
            compare(ALU_AND, lower(value), 0, 0),
            compare(JMP_JEQ, lower(second), 0, rest),
        ],
        LinuxSeccompOperator::ScmpCmpGt => above(low, high, value, JMP_JGT, rest),
        LinuxSeccompOperator::ScmpCmpGe => above(low, high, value, JMP_JGE, rest),
        LinuxSeccompOperator::ScmpCmpLt => below(low, high, value, JMP_JGE, rest),
        LinuxSeccompOperator::ScmpCmpLe => below(low, high, value, JMP_JGT, rest),
    }
}

fn above(low: Instruction, high: Instruction, value: u64, last: u16, rest: u8) -> Vec<Instruction> {
    vec![
        high,
        compare(JMP_JGT, upper(value), 3, 0),
        compare(JMP_JEQ, upper(value), 0, rest + 2),
        low,
        compare(last, lower(value), 0, rest),
    ]
}

fn below(low: Instruction, high: Instruction, value: u64, last: u16, rest: u8) -> Vec<Instruction> {
    vec![
        high,
        compare(JMP_JGT, upper(value), rest + 3, 0),
        compare(JMP_JEQ, upper(value), 0, 2),
        low,
        compare(last, lower(value), rest, 0),
    ]
}

fn upper(value: u64) -> u32 {
    u32::try_from(value >> 32).expect("half of 64 bits are 32")
}

fn lower(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).expect("half of 64 bits are 32")
}

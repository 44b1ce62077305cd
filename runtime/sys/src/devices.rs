//! Which devices the members of a control group may use, where there is no v1 hierarchy for it: a
//! small program that the kernel asks at every `open` and `mknod` of a device.
//!
//! The rules are those of v1's `devices.allow` and `devices.deny`, one after the other, as the
//! runtime-spec has them (config-linux.md, "Device list"): a rule for all devices begins a new list,
//! later ones make exceptions to it, and one of the other sense takes back an exception of the same
//! device. With everything refused, one exception must allow all that is wanted; with everything
//! allowed, none may refuse any of it (`security/device_cgroup.c` of the kernel).

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use crate::bpf::{self, Instruction};

/// Making a node; reading; writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access(u8);

impl Access {
    const MKNOD: u8 = 1;
    const READ: u8 = 2;
    const WRITE: u8 = 4;

    /// Letters of `rwm`, in any order; `None` for any other.
    #[must_use]
    pub fn parse(letters: &str) -> Option<Self> {
        letters.chars().try_fold(Self(0), |Self(bits), letter| {
            let bit = match letter {
                'm' => Self::MKNOD,
                'r' => Self::READ,
                'w' => Self::WRITE,
                _ => return None,
            };
            Some(Self(bits | bit))
        })
    }
}

/// What kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A block device.
    Block,
    /// A character device.
    Character,
}

/// One line for `devices.allow` or `devices.deny`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whether it allows.
    pub allow: bool,
    /// `None`: all devices, whatever their numbers, for everything.
    pub kind: Option<Kind>,
    /// `None`: every number.
    pub major: Option<u32>,
    /// `None`: every number.
    pub minor: Option<u32>,
    /// For what.
    pub access: Access,
}

/// What a list of rules comes to.
#[derive(Debug, PartialEq, Eq)]
struct List {
    /// Whether what no exception names is allowed.
    allow: bool,
    exceptions: Vec<Exception>,
}

#[derive(Debug, PartialEq, Eq)]
struct Exception {
    kind: Kind,
    major: Option<u32>,
    minor: Option<u32>,
    access: u8,
}

impl List {
    /// Of a new group below the root, which may use everything.
    fn of(rules: &[Rule]) -> Self {
        let mut list = Self { allow: true, exceptions: Vec::new() };
        for rule in rules {
            let Some(kind) = rule.kind else {
                list = Self { allow: rule.allow, exceptions: Vec::new() };
                continue;
            };
            list.add(kind, rule);
        }
        list
    }

    fn add(&mut self, kind: Kind, rule: &Rule) {
        let same = |e: &Exception| (e.kind, e.major, e.minor) == (kind, rule.major, rule.minor);
        let found = self.exceptions.iter_mut().find(|exception| same(exception));
        match (found, rule.allow == self.allow) {
            (Some(found), true) => found.access &= !rule.access.0,
            (Some(found), false) => found.access |= rule.access.0,
            (None, true) => {}
            (None, false) => self.exceptions.push(Exception {
                kind,
                major: rule.major,
                minor: rule.minor,
                access: rule.access.0,
            }),
        }
        self.exceptions.retain(|exception| exception.access != 0);
    }
}

/// The registers in which the program keeps what it is asked about.
mod register {
    /// The result.
    pub const RESULT: u8 = 0;
    /// Where the question is: three words, the first of them kind and access.
    pub const QUESTION: u8 = 1;
    pub const KIND: u8 = 2;
    pub const ACCESS: u8 = 3;
    pub const MAJOR: u8 = 4;
    pub const MINOR: u8 = 5;
}

/// Operations, as in `linux/bpf_common.h` and `linux/bpf.h`.
mod operation {
    /// 32 bits from memory.
    pub const LOAD: u8 = 0x61;
    pub const MOVE: u8 = 0xbf;
    pub const SET: u8 = 0xb7;
    pub const AND: u8 = 0x57;
    pub const SHIFT_RIGHT: u8 = 0x77;
    pub const SKIP: u8 = 0x05;
    /// Of the lower 32 bits, with the operand.
    pub const SKIP_IF_UNEQUAL: u8 = 0x56;
    /// If any bit of the operand is set in the lower 32.
    pub const SKIP_IF_ANY: u8 = 0x46;
    pub const RETURN: u8 = 0x95;
}

fn instruction(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: to | from << 4, offset, immediate }
}

/// The program that answers 1 for what `rules` allow and 0 for all else.
fn assemble(rules: &[Rule]) -> Vec<Instruction> {
    use operation::*;
    use register::*;
    let list = List::of(rules);
    let mut program = vec![
        instruction(LOAD, KIND, QUESTION, 0, 0),
        instruction(MOVE, ACCESS, KIND, 0, 0),
        instruction(AND, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(LOAD, MAJOR, QUESTION, 4, 0),
        instruction(LOAD, MINOR, QUESTION, 8, 0),
    ];
    for exception in &list.exceptions {
        program.extend(exception.assemble(list.allow));
    }
    program.extend(answer(list.allow));
    program
}

fn answer(allow: bool) -> [Instruction; 2] {
    use operation::*;
    [instruction(SET, register::RESULT, 0, 0, i32::from(allow)), instruction(RETURN, 0, 0, 0, 0)]
}

impl Exception {
    /// Answers otherwise than `usual` if it holds; each comparison that fails skips to what follows.
    fn assemble(&self, usual: bool) -> Vec<Instruction> {
        use operation::*;
        let kind = match self.kind {
            Kind::Block => 1,
            Kind::Character => 2,
        };
        let mut skips = vec![(SKIP_IF_UNEQUAL, register::KIND, kind)];
        for (register, number) in [(register::MAJOR, self.major), (register::MINOR, self.minor)] {
            // The operand is 32 bits, whatever their sign.
            skips.extend(number.map(|number| (SKIP_IF_UNEQUAL, register, number.cast_signed())));
        }
        let mut program = Vec::new();
        if usual {
            // Wanted for any of these: on to the answer, over what skips it.
            let count = i16::try_from(skips.len()).expect("there are at most three");
            for (index, (code, register, operand)) in (0..).zip(&skips) {
                program.push(instruction(*code, *register, 0, count - index + 1 + 2, *operand));
            }
            program.push(instruction(SKIP_IF_ANY, register::ACCESS, 0, 1, self.access.into()));
            program.push(instruction(SKIP, 0, 0, 2, 0));
        } else {
            // Wanted for more than these: not by this one.
            let others = i32::from(!self.access & 0b111);
            skips.push((SKIP_IF_ANY, register::ACCESS, others));
            let count = i16::try_from(skips.len()).expect("there are at most four");
            for (index, (code, register, operand)) in (1..).zip(&skips) {
                program.push(instruction(*code, *register, 0, count - index + 2, *operand));
            }
        }
        program.extend(answer(!usual));
        program
    }
}

/// Lets the members of the v2 group whose folder this is use the devices that `rules` allow, from now on.
///
/// # Errors
/// The group can't be opened; what [`bpf::load_device_program`] and [`bpf::replace_device_program`] return.
pub fn confine(folder: &Path, rules: &[Rule]) -> io::Result<()> {
    let group = File::open(folder)?;
    let program = bpf::load_device_program(&assemble(rules))?;
    bpf::replace_device_program(group.as_fd(), &program)
}

#[cfg(test)]
mod tests;

//! The filter's program beside version 1's rules, for random lists of devices.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What is asked: kind, numbers, and the letters of the access.
#[derive(Debug, Clone, Copy)]
struct Question {
    kind: Kind,
    major: u32,
    minor: u32,
    access: u8,
}

/// Executes a program as the kernel would (`Documentation/bpf/instruction-set.rst`).
fn execute(program: &[Instruction], question: Question) -> u64 {
    let kind = match question.kind {
        Kind::Block => 1,
        Kind::Character => 2,
    };
    let memory = [u32::from(question.access) << 16 | kind, question.major, question.minor];
    let mut registers = [0_u64; 11];
    let mut next = 0_usize;
    loop {
        let Instruction { code, registers: names, offset, immediate } = program[next];
        let (to, from) = (usize::from(names & 15), usize::from(names >> 4));
        next += 1;
        let low = registers[to] as u32;
        let skips = match code {
            0x61 => {
                assert_eq!(from, 1, "only the question can be read");
                registers[to] = memory[usize::try_from(offset).unwrap() / 4].into();
                false
            }
            0xbf => {
                registers[to] = registers[from];
                false
            }
            0xb7 => {
                registers[to] = i64::from(immediate).cast_unsigned();
                false
            }
            0x57 => {
                registers[to] &= i64::from(immediate).cast_unsigned();
                false
            }
            0x77 => {
                registers[to] >>= immediate;
                false
            }
            0x05 => true,
            0x56 => low != immediate.cast_unsigned(),
            0x46 => low & immediate.cast_unsigned() != 0,
            0x95 => return registers[0],
            other => panic!("no instruction has the code {other:#x}"),
        };
        if skips {
            next += usize::try_from(offset).expect("the kernel took no loops for long");
        }
    }
}

fn allows(rules: &[Rule], kind: Kind, major: u32, minor: u32, access: &str) -> bool {
    let access = Access::parse(access).unwrap().0;
    execute(&assemble(rules), Question { kind, major, minor, access }) == 1
}

/// A line as v1's files take it, after `+` for `devices.allow` or `-` for `devices.deny`.
fn rule(line: &str) -> Rule {
    let words: Vec<&str> = line[1..].split([' ', ':']).collect();
    let number = |word: &str| (word != "*").then(|| word.parse().unwrap());
    Rule {
        allow: line.starts_with('+'),
        kind: match words[0] {
            "a" => None,
            "b" => Some(Kind::Block),
            "c" => Some(Kind::Character),
            other => panic!("{other} is no kind"),
        },
        major: number(words[1]),
        minor: number(words[2]),
        access: Access::parse(words[3]).unwrap(),
    }
}

fn rules(lines: &[&str]) -> Vec<Rule> {
    lines.iter().map(|line| rule(line)).collect()
}

/// What docker gives a container (moby, `oci/devices_linux.go` and `oci/defaults.go`), in short.
#[test]
fn an_ordinary_container_makes_any_node_and_opens_only_its_own() {
    use Kind::{Block, Character};
    let rules =
        rules(&["-a *:* rwm", "+c *:* m", "+b *:* m", "+c 1:3 rwm", "+c 136:* rwm", "+b 7:1 r"]);
    assert!(allows(&rules, Block, 8, 0, "m"));
    assert!(!allows(&rules, Block, 8, 0, "r"));
    assert!(!allows(&rules, Block, 8, 0, "w"));
    assert!(!allows(&rules, Block, 8, 0, "rwm"));
    assert!(!allows(&rules, Character, 1, 1, "r"), "/dev/mem");
    assert!(allows(&rules, Character, 1, 3, "rwm"));
    assert!(!allows(&rules, Block, 1, 3, "rw"), "the same numbers of another kind");
    assert!(allows(&rules, Character, 136, 77, "rw"));
    assert!(allows(&rules, Block, 7, 1, "r"));
    assert!(!allows(&rules, Block, 7, 1, "rw"), "no exception allows all of it");
}

#[test]
fn a_privileged_container_uses_all_but_what_is_taken_away_after() {
    use Kind::{Block, Character};
    let all = rules(&["-a *:* rwm", "+c 1:3 r", "+a *:* rwm"]);
    assert!(allows(&all, Block, 8, 0, "rwm"));
    assert!(allows(&[], Block, 8, 0, "rwm"), "as a new group");
    let some = rules(&["+a *:* rwm", "-b 8:* w", "-c 10:200 rwm"]);
    assert!(allows(&some, Block, 8, 0, "r"));
    assert!(!allows(&some, Block, 8, 3, "rw"), "part of it is refused");
    assert!(!allows(&some, Character, 10, 200, "m"));
    assert!(allows(&some, Character, 10, 201, "rwm"));
}

#[test]
fn an_exception_is_taken_back_letter_by_letter() {
    let taken = rules(&["-a *:* rwm", "+c 1:5 rwm", "-c 1:5 w"]);
    assert!(allows(&taken, Kind::Character, 1, 5, "rm"));
    assert!(!allows(&taken, Kind::Character, 1, 5, "w"));
    // As v1: what is taken back must be called as it was given.
    let other = rules(&["-a *:* rwm", "+c 1:* rwm", "-c 1:5 rwm"]);
    assert!(allows(&other, Kind::Character, 1, 5, "rwm"));
}

#[test]
fn letters_are_read_in_any_order() {
    assert_eq!(Access::parse("mwr"), Access::parse("rwm"));
    assert_eq!(Access::parse("rx"), None);
}

/// The kernel's own way (`devcgroup_update_access`, `__devcgroup_check_permission`), without a list of ours.
fn verdict(rules: &[Rule], question: Question) -> bool {
    let begin = rules.iter().rposition(|rule| rule.kind.is_none());
    let usual = begin.is_none_or(|index| rules[index].allow);
    let later = &rules[begin.map_or(0, |index| index + 1)..];
    let mut names: Vec<(Option<Kind>, Option<u32>, Option<u32>)> =
        later.iter().map(|rule| (rule.kind, rule.major, rule.minor)).collect();
    names.dedup();
    let exceptions = names.into_iter().map(|name| {
        let same = later.iter().filter(|rule| (rule.kind, rule.major, rule.minor) == name);
        let bits = same.fold(0, |bits, rule| match rule.allow == usual {
            true => bits & !rule.access.0,
            false => bits | rule.access.0,
        });
        (name, bits)
    });
    let mut matching = exceptions.filter(|((kind, major, minor), bits)| {
        *bits != 0
            && *kind == Some(question.kind)
            && major.is_none_or(|major| major == question.major)
            && minor.is_none_or(|minor| minor == question.minor)
    });
    match usual {
        true => !matching.any(|(_, bits)| bits & question.access != 0),
        false => matching.any(|(_, bits)| question.access & !bits == 0),
    }
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Block), Just(Kind::Character)]
}

fn any_number() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), Just(2), Just(u32::MAX), Just(1 << 31)]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let kind = proptest::option::weighted(0.9, any_kind());
    let number = || proptest::option::weighted(0.7, any_number());
    (any::<bool>(), kind, number(), number(), 0_u8..8).prop_map(
        |(allow, kind, major, minor, access)| Rule {
            allow,
            kind,
            major,
            minor,
            access: Access(access),
        },
    )
}

proptest! {
    #[test]
    fn the_program_answers_as_the_first_version_would(
        rules in vec(any_rule(), 0..8),
        kind in any_kind(),
        major in any_number(),
        minor in any_number(),
        access in 1_u8..8,
    ) {
        let question = Question { kind, major, minor, access };
        let expected = u64::from(verdict(&rules, question));
        prop_assert_eq!(execute(&assemble(&rules), question), expected);
    }
}

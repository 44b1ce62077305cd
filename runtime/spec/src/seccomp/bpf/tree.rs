//! From numbers with verdicts to ranges, and from ranges to a search tree.

use std::collections::BTreeMap;

use super::{Instruction, JMP_JGE, Verdict, argument, compare, jump, ret};

/// Neighbouring numbers with the same verdict: where they begin. They cover every number,
/// the gaps with the default.
pub(super) fn ranges(verdicts: BTreeMap<u32, Verdict>, default: u32) -> Vec<(u32, Verdict)> {
    let mut ranges: Vec<(u32, Verdict)> = vec![(0, Verdict::Plain(default))];
    let mut push = |start: u32, verdict: Verdict| {
        let (last_start, last) = ranges.last_mut().expect("there is always a first range");
        if *last == verdict {
            return;
        }
        if *last_start == start {
            *last = verdict;
        } else {
            ranges.push((start, verdict));
        }
    };
    let mut next = 0;
    for (number, verdict) in verdicts {
        if number != next {
            push(next, Verdict::Plain(default));
        }
        push(number, verdict);
        next = number + 1;
    }
    push(next, Verdict::Plain(default));
    ranges.dedup_by(|later, earlier| later.1 == earlier.1);
    ranges
}

/// Finds the range of the number in the accumulator and returns its verdict.
pub(super) fn search(ranges: &[(u32, Verdict)], default: u32) -> Vec<Instruction> {
    if let [(_, verdict)] = ranges {
        return match verdict {
            Verdict::Plain(value) => vec![ret(*value)],
            Verdict::Conditional(rules) => argument::rules(rules, default),
        };
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (low_body, high_body) = (search(low, default), search(high, default));
    let from = high[0].0;
    let mut body = Vec::with_capacity(2 + low_body.len() + high_body.len());
    match u8::try_from(low_body.len()) {
        Ok(over) => body.push(compare(JMP_JGE, from, over, 0)),
        // Too far for a comparison: it skips a jump, or takes it.
        Err(_) => {
            let over = u32::try_from(low_body.len()).expect("a program has 4096 instructions");
            body.push(compare(JMP_JGE, from, 0, 1));
            body.push(jump(over));
        }
    }
    body.extend(low_body);
    body.extend(high_body);
    body
}

//! Facts of a case: what was seen against what should be, and the table of known differences.

use std::collections::BTreeSet;
use std::fmt::Display;

use isopod_tests::binary::workspace;

use crate::bundle::is_unified;
use crate::runtime::{self, Runtime};

/// What a case has seen of one runtime.
#[derive(Debug, Default)]
pub struct Facts {
    all: Vec<Fact>,
}

#[derive(Debug)]
struct Fact {
    name: String,
    seen: String,
    expected: String,
}

impl Facts {
    /// States that `name` should be `expected`, and is `seen`.
    pub fn is(&mut self, name: &str, seen: impl Display, expected: impl Display) {
        assert!(self.all.iter().all(|fact| fact.name != name), "two facts of the name {name:?}");
        let (seen, expected) = (seen.to_string(), expected.to_string());
        self.all.push(Fact { name: name.to_owned(), seen, expected });
    }

    /// As [`Self::is`], for what is so or not.
    pub fn holds(&mut self, name: &str, seen: bool) {
        self.is(name, seen, true);
    }
}

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    case: String,
    fact: String,
    runtime: String,
    /// What it sees there; `*` for what changes from run to run, `?` for what is right at times.
    seen: String,
    why: String,
}

impl Difference {
    /// `case@v1` and `case@v2` are about machines with that version of cgroups.
    fn is_about(&self, case: &str) -> bool {
        match self.case.split_once('@') {
            None => self.case == case,
            Some((own, version)) => own == case && (version == "v2") == is_unified(),
        }
    }
}

fn table() -> Vec<Difference> {
    let path = workspace().join("tests/oci/differences.tsv");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            let [case, fact, runtime, seen, why] = fields.try_into().unwrap_or_else(|fields| {
                panic!("five fields a line, these are others: {fields:?}")
            });
            Difference { case, fact, runtime, seen, why }
        })
        .collect()
}

/// Runs a case, and compares what it saw with what should be and what is known to differ.
pub fn hold(runtime: Runtime, case: &str, run: fn(Runtime, &mut Facts)) {
    let mut facts = Facts::default();
    run(runtime, &mut facts);
    assert!(!facts.all.is_empty(), "{case} states nothing");
    let known: Vec<Difference> = table()
        .into_iter()
        .filter(|known| known.is_about(case) && known.runtime == runtime.name())
        .collect();
    let mut wrong = String::new();
    for fact in &facts.all {
        let known = known.iter().find(|known| known.fact == fact.name);
        let seen = fact.seen.escape_debug().to_string();
        let expected = fact.expected.escape_debug();
        match known {
            None if fact.seen == fact.expected => {}
            Some(known) if known.seen == "?" => {}
            None => {
                wrong += &format!("{}\n  should be {expected}\n  is        {seen}\n", fact.name)
            }
            Some(_) if fact.seen == fact.expected => {
                wrong +=
                    &format!("{} is as it should be: its line of the table is old\n", fact.name);
            }
            Some(known) if known.seen == "*" || known.seen == seen => {}
            Some(known) => {
                wrong +=
                    &format!("{}\n  is known as {}\n  is          {seen}\n", fact.name, known.seen);
            }
        }
    }
    for known in known.iter().filter(|known| facts.all.iter().all(|fact| fact.name != known.fact)) {
        wrong += &format!("{} is no fact of this case: its line of the table is old\n", known.fact);
    }
    assert!(wrong.is_empty(), "{case} of {}:\n{wrong}", runtime.name());
}

/// Every line is about a case and a runtime that there are, once, and says why.
pub fn check_table(cases: &[&str]) {
    let runtimes = runtime::ALL.map(Runtime::name);
    let mut lines = BTreeSet::new();
    for line in table() {
        let case = line.case.strip_suffix("@v1").or(line.case.strip_suffix("@v2"));
        let case = case.unwrap_or(&line.case);
        assert!(cases.contains(&case), "no such case: {line:?}");
        assert!(runtimes.contains(&&*line.runtime), "no such runtime: {line:?}");
        assert!(line.why.len() > 10, "not explained: {line:?}");
        assert!(lines.insert((line.case, line.fact, line.runtime)), "a line comes twice");
    }
    let once: BTreeSet<_> = cases.iter().collect();
    assert_eq!(once.len(), cases.len());
}

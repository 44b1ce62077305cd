//! The fuzzers are a workspace of their own, whose lock file nobody sees who only builds the other: it has what our crates
//! ask for, in the versions that users get, or `scripts/fuzz` refuses to build.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What only the fuzzers have.
const THEIRS: &[&str] = &["arbitrary", "isopod-fuzz", "libfuzzer-sys"];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// Names of packages with their versions, and the names of what each depends on.
fn locked(path: &Path) -> BTreeMap<(String, String), BTreeSet<String>> {
    let text = fs::read_to_string(path).unwrap();
    let packages = text.split("[[package]]\n").skip(1).map(|package| {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim_matches('"').to_owned()
        };
        let listed = package.split_once("dependencies = [").map_or("", |(_, rest)| rest);
        let listed = listed.split_once(']').map_or("", |(names, _)| names);
        let names = listed.lines().filter_map(|line| line.trim().strip_prefix('"'));
        // A version follows where there are several.
        let names = names.filter_map(|name| name.split([' ', '"']).next()).map(str::to_owned);
        ((value("name = "), value("version = ")), names.collect())
    });
    packages.collect()
}

/// The names below `[dependencies]` and its kin, but those of tests.
fn asked_for(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut is_in = false;
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            is_in = section.ends_with("dependencies]") && !section.contains("dev-dependencies");
        } else if let Some(name) = line.split(['.', ' ', '=']).next().filter(|_| is_in)
            && !name.is_empty()
            && !name.starts_with(['#', '}', ']'])
        {
            names.insert(name.to_owned());
        }
    }
    names
}

#[test]
fn the_fuzzers_are_built_of_what_the_program_is_built_of() {
    let (ours, theirs) =
        (locked(&top().join("Cargo.lock")), locked(&top().join("tests/fuzz/Cargo.lock")));
    let others = theirs.keys().filter(|package| !ours.contains_key(*package));
    let others: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
    assert_eq!(others, THEIRS, "run cargo update in tests/fuzz for the rest");
}

#[test]
fn the_fuzzers_lock_file_knows_all_that_our_crates_ask_for() {
    let theirs = locked(&top().join("tests/fuzz/Cargo.lock"));
    let mut seen = 0;
    let folders = fs::read_dir(top().join("runtime")).unwrap().map(|entry| entry.unwrap().path());
    for folder in folders.chain([top().join("tests/fuzz/targets")]) {
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
        let known = theirs.iter().find(|((known, _), _)| known == name.trim_matches('"'));
        let Some((_, dependencies)) = known else { continue };
        let asked = asked_for(&manifest);
        let missing: Vec<_> = asked.difference(dependencies).collect();
        assert!(missing.is_empty(), "{name}: run cargo metadata in tests/fuzz: {missing:?}");
        seen += asked.len();
    }
    assert!(seen > 30, "the manifests are read: {seen}");
}

//! Rules of the tree that no compiler checks: who depends on whom, how files open, where
//! unsafe code lives, what tests may be left out.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use isopod_tests::binary::workspace;

fn metadata() -> Metadata {
    // Whoever runs this has built the workspace for this platform: nothing needs to be fetched.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    MetadataCommand::new()
        .manifest_path(workspace().join("Cargo.toml"))
        .other_options(["--offline", "--locked", "--filter-platform", &platform].map(str::to_owned))
        .exec()
        .unwrap()
}

/// The top-level folder a workspace crate lies in.
fn room(manifest: &Path) -> String {
    let below = manifest.strip_prefix(workspace()).unwrap();
    below.components().next().unwrap().as_os_str().to_str().unwrap().to_owned()
}

/// Which rooms a room may use besides itself; `protocol` crates of cri are cut out by name.
fn may_use(from: &str, to: &str, package: &str) -> bool {
    match from {
        "cli" | "tests" => true,
        "cri" => to == "runtime",
        // The kubelet speaks CRI: its protocol types, never the runtime behind it.
        "orchestrator" => to == "cri" && package == "isopod-cri-protocol",
        _ => false,
    }
}

#[test]
fn rooms_depend_only_on_the_rooms_they_may() {
    let metadata = metadata();
    let rooms: BTreeMap<&str, String> = metadata
        .workspace_packages()
        .iter()
        .map(|package| (package.name.as_str(), room(package.manifest_path.as_std_path())))
        .collect();
    assert!(rooms.len() >= 10, "the workspace is there: {rooms:?}");
    let mut broken = Vec::new();
    for package in metadata.workspace_packages() {
        let from = &rooms[package.name.as_str()];
        for dependency in &package.dependencies {
            let Some(to) = rooms.get(dependency.name.as_str()) else { continue };
            if from != to && !may_use(from, to, &dependency.name) {
                broken.push(format!("{} ({from}) uses {} ({to})", package.name, dependency.name));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Everything a crate links, not what only its build or its tests need.
fn linked_by(metadata: &Metadata, root: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    let named = |id: &PackageId| metadata[id].name.to_string();
    let start = metadata.workspace_packages().into_iter().find(|p| p.name.as_str() == root);
    let mut queue = VecDeque::from([&start.unwrap().id]);
    let mut seen = BTreeSet::new();
    let mut names = BTreeSet::new();
    while let Some(id) = queue.pop_front() {
        for dependency in &nodes[id].deps {
            let normal =
                dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if normal && seen.insert(&dependency.pkg) {
                names.insert(named(&dependency.pkg));
                queue.push_back(&dependency.pkg);
            }
        }
    }
    names
}

/// What crates of `cri/` may use of ours, besides those that are not named here. The protocols and their clients know no
/// runtime: others than our server use them too.
const OF_CRI: [(&str, &[&str]); 3] = [
    ("isopod-cri-protocol", &[]),
    ("isopod-spdy", &[]),
    ("isopod-streaming", &["isopod-cri-protocol", "isopod-spdy"]),
];

#[test]
fn the_protocols_of_cri_know_no_runtime() {
    let metadata = metadata();
    for (name, allowed) in OF_CRI {
        let linked = linked_by(&metadata, name);
        assert!(linked.len() > 3, "the graph of {name} is there: {linked:?}");
        let ours: Vec<&String> = linked.iter().filter(|name| name.starts_with("isopod")).collect();
        assert_eq!(ours, allowed, "{name} uses");
    }
    // gRPC and HTTP are no business of a protocol over any connection.
    let linked = linked_by(&metadata, "isopod-spdy");
    for other in ["hyper", "tonic", "rustls", "serde_json"] {
        assert!(!linked.contains(other), "isopod-spdy links {other}");
    }
}

#[test]
fn the_monitor_stays_small() {
    let linked = linked_by(&metadata(), "isopod-monitor");
    assert!(linked.contains("libcontainer"), "the graph is there: {linked:?}");
    for heavy in ["tokio", "async-std", "clap", "rusqlite", "rustls", "reqwest", "hyper", "openssl"]
    {
        assert!(!linked.contains(heavy), "the monitor links {heavy}");
    }
}

/// Every Rust file of the tree, generated ones and build output left out.
fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![workspace()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                if !name.starts_with('.') && name != "target" && name != "generated" {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() >= 20, "the tree is there");
    files
}

fn shown(path: &Path) -> String {
    path.strip_prefix(workspace()).unwrap().display().to_string()
}

/// Lines of code with their numbers, comments cut off.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(number, line)| {
        let code = line.split("//").next().unwrap_or_default();
        (!code.trim().is_empty()).then_some((number + 1, code))
    })
}

#[test]
fn every_file_says_what_lives_in_it() {
    let silent: Vec<String> = rust_files()
        .iter()
        .filter(|path| !fs::read_to_string(path).unwrap().starts_with("//!"))
        .map(|path| shown(path))
        .collect();
    assert!(silent.is_empty(), "these do not open with `//!`: {silent:#?}");
}

#[test]
fn no_module_is_a_drawer_for_everything() {
    const DRAWERS: [&str; 9] =
        ["utils", "util", "helpers", "helper", "common", "misc", "imp", "manager", "stuff"];
    let drawers: Vec<String> = rust_files()
        .iter()
        .filter(|path| {
            let below = path.strip_prefix(workspace()).unwrap().with_extension("");
            below.components().any(|part| DRAWERS.contains(&part.as_os_str().to_str().unwrap()))
        })
        .map(|path| shown(path))
        .collect();
    assert!(drawers.is_empty(), "{drawers:#?}");
}

#[test]
fn unsafe_code_lives_in_sys_alone() {
    let home = workspace().join("runtime/sys");
    let unsafe_words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "(unsafe_code)"];
    let mut elsewhere = Vec::new();
    for path in rust_files().iter().filter(|path| !path.starts_with(&home)) {
        // This file names the words it looks for.
        if path.ends_with("tests/tests/structure.rs") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for (number, line) in code(&text) {
            if unsafe_words.iter().any(|word| line.contains(word)) {
                elsewhere.push(format!("{}:{number}: {}", shown(path), line.trim()));
            }
        }
    }
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

#[test]
fn every_member_obeys_the_lints_of_the_workspace() {
    for package in metadata().workspace_packages() {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} does not", package.name);
    }
}

#[test]
fn a_test_is_left_out_only_because_it_is_slow() {
    let mut unexplained = Vec::new();
    for path in rust_files() {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in code(&text) {
            let line = line.trim();
            let left_out = line.starts_with("#[ignore");
            if left_out && !line.starts_with("#[ignore = \"slow: ") {
                unexplained.push(format!("{}:{number}: {line}", shown(&path)));
            }
        }
    }
    assert!(
        unexplained.is_empty(),
        "what can't run is named in tests/cannot-run.txt: {unexplained:#?}"
    );
}

#[test]
fn every_test_that_cannot_run_exists_and_has_a_reason() {
    let list = fs::read_to_string(workspace().join("tests/cannot-run.txt")).unwrap();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, reason) = line.split_once(": ").unwrap_or((line, ""));
        assert!(reason.len() > 10, "{line:?} gives no reason");
        assert!(is_a_function(name), "no test is named {name}");
    }
}

/// Whether any file defines a function of that name; a path's last part counts.
fn is_a_function(name: &str) -> bool {
    let name = name.rsplit("::").next().unwrap();
    // Those of kills are listed in a macro.
    let heads = [format!("fn {name}("), format!("    {name}: \"")];
    let defines = |text: &str| heads.iter().any(|head| text.contains(head));
    rust_files().iter().any(|path| defines(&fs::read_to_string(path).unwrap()))
}

/// The changes that take a defence away.
fn mutations() -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace().join("tests/mutations")).unwrap().map(Result::unwrap);
    entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "patch")).collect()
}

#[test]
fn every_mutation_names_the_test_it_turns_red() {
    for path in mutations() {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        let command = first.strip_prefix("# test: cargo test -p ");
        let words: Vec<&str> = command.unwrap_or_default().split_whitespace().collect();
        let name = words.iter().skip(1).rfind(|word| !word.starts_with('-'));
        let name = name.unwrap_or_else(|| panic!("{} opens with {first:?}", shown(&path)));
        assert!(is_a_function(name), "{} names {name}, which is no test", shown(&path));
    }
}

/// Whoever changes what a mutation takes away makes it anew: one that does not apply tries nothing.
#[test]
fn every_mutation_applies() {
    let top = workspace();
    let applies = |path: &PathBuf| {
        let mut git = Command::new("git");
        // In a folder of another repository it would skip all files, and be content.
        git.env("GIT_CEILING_DIRECTORIES", top.parent().unwrap()).current_dir(&top);
        git.args(["apply", "--check"]).arg(path).output().unwrap().status.success()
    };
    let outdated: Vec<_> =
        mutations().iter().filter(|path| !applies(path)).map(|p| shown(p)).collect();
    assert!(outdated.is_empty(), "the code below them changed: {outdated:#?}");
}

/// The commands of `scripts/`; what they share is in folders below.
fn scripts() -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace().join("scripts")).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|f| f.path()).filter(|p| !shown(p).contains("/.")).collect()
}

#[test]
fn every_script_explains_itself() {
    for script in scripts() {
        let told = Command::new(&script).arg("--help").output().unwrap();
        let text = String::from_utf8(told.stdout).unwrap();
        assert!(told.status.success(), "{} --help fails", shown(&script));
        let usage = format!("usage: {}", shown(&script));
        assert!(text.contains(&usage), "{} --help shows no usage", shown(&script));
    }
}

#[test]
fn every_script_refuses_what_it_does_not_know() {
    for script in scripts() {
        let told = Command::new(&script).arg("--no-such-option").output().unwrap();
        assert_eq!(told.status.code(), Some(2), "{} takes any option", shown(&script));
    }
}

#[test]
fn scripts_pass_shellcheck() {
    let shell = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.starts_with("#!/usr/bin/env bash") || text.contains("# shellcheck shell=bash")
    };
    let mut files: Vec<PathBuf> = scripts();
    let shared = fs::read_dir(workspace().join("scripts/lib")).unwrap();
    files.extend(shared.map(|e| e.unwrap().path()).filter(|p| p.is_file()));
    files.push(workspace().join(".ci/run"));
    files.retain(shell);
    assert!(files.len() >= 5, "{files:?}");
    let told = Command::new("shellcheck").arg("-x").args(&files).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
}

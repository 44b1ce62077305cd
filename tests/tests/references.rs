//! What the real docker printed (`tests/references`), and what we print for the same commands.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use isopod_tests::binary::workspace;
use isopod_tests::{Invocation, TestContext};

/// Steps wait for health checks and back-off, one after the other.
const DEADLINE: Duration = Duration::from_secs(400);

fn references() -> PathBuf {
    workspace().join("tests/references")
}

/// A command of `steps/<file>.steps` whose result is kept.
#[derive(Debug)]
struct Step {
    /// `<file>/<name>`.
    id: String,
    kind: String,
}

fn steps(file: &str) -> Vec<Step> {
    let text = fs::read_to_string(references().join(format!("steps/{file}.steps"))).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let heads = lines.map(|line| line.split_once(':').expect("a step has a head").0);
    let kept = heads.filter_map(|head| head.split_once(' '));
    kept.map(|(kind, rest)| {
        let name = rest.split(' ').next().unwrap();
        Step { id: format!("{file}/{name}"), kind: kind.to_owned() }
    })
    .collect()
}

fn files() -> Vec<String> {
    let entries = fs::read_dir(references().join("steps")).unwrap();
    entries
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// What one command printed, as `scripts/lib/references.py` writes it.
#[derive(Debug)]
struct Told {
    command: String,
    stdout: Vec<String>,
    stderr: Vec<String>,
    exit: String,
}

impl Told {
    fn read(file: &Path) -> Self {
        let text =
            fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut told = Self {
            command: String::new(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            exit: String::new(),
        };
        for line in text.lines() {
            if told.command.is_empty() {
                told.command = line.strip_prefix("$ ").unwrap().to_owned();
            } else if let Some(line) = line.strip_prefix("stderr: ") {
                told.stderr.push(line.to_owned());
            } else {
                told.stdout.push(line.to_owned());
            }
        }
        told.exit = told.stdout.pop().expect("the last line has the exit code");
        told
    }
}

/// A row of `differences.tsv`: what we mean to do in another way.
#[derive(Debug)]
struct Difference {
    step: String,
    what: String,
    used: Cell<bool>,
}

fn differences() -> Vec<Difference> {
    let text = fs::read_to_string(references().join("differences.tsv")).unwrap();
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('\t').collect();
        let [step, what, reason] = cells[..] else { panic!("three cells are needed: {row}") };
        assert!(!reason.trim().is_empty(), "a reason is needed: {row}");
        Difference { step: step.to_owned(), what: what.to_owned(), used: Cell::new(false) }
    })
    .collect()
}

/// Whether `pattern`, in which `*` stands for anything, is all of `text`.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(first) else { return false };
    (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| matches(rest, &text[at..]))
}

/// Whether a row says so; it has been of use then.
fn is_meant(differences: &[Difference], step: &str, what: &str) -> bool {
    let row = differences.iter().find(|row| matches(&row.step, step) && matches(&row.what, what));
    row.inspect(|row| row.used.set(true)).is_some()
}

/// `path: type|type`, a line each.
fn keys(lines: &[String]) -> BTreeMap<&str, BTreeSet<&str>> {
    let split = lines.iter().map(|line| line.rsplit_once(": ").expect("a key has a type"));
    split.map(|(path, types)| (path, types.split('|').collect())).collect()
}

/// What reads as nothing is the same to every client: no list, an empty one, no object.
fn same_types(theirs: &BTreeSet<&str>, ours: &BTreeSet<&str>) -> bool {
    let none = |types: &BTreeSet<&str>| types.contains("null");
    let empty = |types: &BTreeSet<&str>| {
        types.iter().all(|kind| ["null", "array", "object"].contains(kind))
    };
    theirs == ours || (none(theirs) || none(ours)) && empty(theirs) && empty(ours)
}

/// What differs, each with the name by which a row of differences may excuse it.
fn compare(step: &Step, theirs: &Told, ours: &Told) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if theirs.exit != ours.exit {
        let stderr = ours.stderr.join("\n    ");
        found.push(("exit".into(), format!("{}, not {}\n    {stderr}", ours.exit, theirs.exit)));
    }
    if step.kind == "keys" && !theirs.stdout.is_empty() {
        if ours.stdout.first().is_none_or(|line| !line.starts_with(".: ")) {
            found.push(("text".into(), format!("no JSON: {:?}", ours.stdout)));
            return found;
        }
        let ours = keys(&ours.stdout);
        for (path, types) in keys(&theirs.stdout) {
            match ours.get(path) {
                None => found.push((path.into(), format!("{path} is missing ({types:?})"))),
                Some(kinds) if !same_types(&types, kinds) => {
                    found.push((path.into(), format!("{path} is {kinds:?}, not {types:?}")));
                }
                Some(_) => {}
            }
        }
    } else if theirs.stdout != ours.stdout {
        let (theirs, ours) = (theirs.stdout.join("\n    "), ours.stdout.join("\n    "));
        found.push(("text".into(), format!("prints\n    {ours}\n  not\n    {theirs}")));
    }
    if step.kind == "fails" {
        for word in named(theirs).into_iter().filter(|word| !ours.stderr.join("\n").contains(word))
        {
            let stderr = ours.stderr.join("\n    ");
            found.push(("names".into(), format!("the error does not name {word}\n    {stderr}")));
        }
    }
    found
}

/// The words of the command that its error names: what was wrong, or the object of it.
fn named(told: &Told) -> Vec<&str> {
    let mut words: Vec<&str> = told.command.split([' ', '\'']).skip(2).collect();
    if ["docker network", "docker volume", "docker image", "docker system"]
        .iter()
        .any(|noun| told.command.starts_with(noun))
    {
        words.remove(0);
    }
    let words = words.into_iter().filter(|word| word.len() > 2 && !word.starts_with('-'));
    let words = words.map(|word| word.rsplit('=').next().unwrap_or(word));
    let error = told.stderr.join("\n");
    let within = |c: char| c.is_alphanumeric() || "-_/.".contains(c);
    let whole =
        |word: &&str| error.split(|c| !within(c)).any(|part| part.trim_matches('.') == *word);
    words.filter(|word| whole(word) || word.contains('/') && error.contains(*word)).collect()
}

/// Images as both engines load them: written by skopeo from the layout that fills the registries.
fn save_images(layout: &Path, to: &Path) {
    for image in ["library/busybox", "library/alpine", "test/claims"] {
        let (short, name) =
            (image.rsplit('/').next().unwrap(), image.trim_start_matches("library/"));
        let from = format!("oci:{}:{image}:latest", layout.display());
        let into = format!("docker-archive:{}/{short}.tar:{name}:latest", to.display());
        Invocation::new("skopeo", ["copy", "-q", "--insecure-policy", &from, &into])
            .run()
            .succeeds();
    }
}

/// Runs all of a file in a network namespace of its own, whose ports nobody else has.
fn run(context: &TestContext, file: &str, layout: &Path) -> PathBuf {
    let (images, work, out) = (context.path("images"), context.path("work"), context.path("out"));
    for folder in [&images, &work, &out] {
        fs::create_dir(folder).unwrap();
    }
    save_images(layout, &images);
    context.personality("docker", ["version"]).run().succeeds();
    // Networks are of this namespace: what is left of them must go from inside of it.
    let script = r#"
        ip link set lo up
        /usr/bin/python3 -B "$1" "$2" "$3"
        docker ps -aq | xargs -r docker rm -f -v
        docker network prune -f
    "#;
    let program = workspace().join("scripts/lib/references.py");
    let list = references().join(format!("steps/{file}.steps"));
    let arguments = [program.to_str().unwrap(), list.to_str().unwrap(), out.to_str().unwrap()];
    let mut words = vec!["--net", "sh", "-c", script, "sh"];
    words.extend(arguments);
    let path = format!("{}:{}", context.path("bin").display(), std::env::var("PATH").unwrap());
    let run = context.command_of("unshare", words).deadline(DEADLINE);
    let run = run.env("PATH", path).env("IMAGES", &images).env("WORK", &work).run();
    run.succeeds();
    out
}

/// The whole test of one file: every difference at once, as they are seldom alone.
fn prints_as_docker_does(file: &str) {
    let (context, fixtures) = TestContext::new();
    let out = run(&context, file, &fixtures.layout);
    let differences = differences();
    let mut report = String::new();
    if let Ok(failed) = fs::read_to_string(out.join("failed")) {
        writeln!(report, "preparations failed:\n{failed}").unwrap();
    }
    let steps = steps(file);
    for step in &steps {
        let name = step.id.split_once('/').unwrap().1;
        let theirs = Told::read(&references().join(format!("docker-20.10/{}.txt", step.id)));
        let ours = Told::read(&out.join(format!("{name}.txt")));
        assert_eq!(theirs.command, ours.command, "{name} was captured with another command");
        for (what, told) in compare(step, &theirs, &ours) {
            if !is_meant(&differences, &step.id, &what) {
                writeln!(report, "{} [{what}]: {}\n  {told}", step.id, ours.command).unwrap();
            }
        }
    }
    for row in differences.iter().filter(|row| !row.used.get()) {
        if steps.iter().any(|step| matches(&row.step, &step.id)) {
            writeln!(report, "differences.tsv: no longer so: {} {}", row.step, row.what).unwrap();
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn containers_print_as_docker_does() {
    prints_as_docker_does("containers");
}

#[test]
fn images_print_as_docker_does() {
    prints_as_docker_does("images");
}

#[test]
fn networks_and_volumes_print_as_docker_does() {
    prints_as_docker_does("networks");
}

#[test]
fn the_system_prints_as_docker_does() {
    prints_as_docker_does("system");
}

#[test]
fn misuse_ends_as_with_docker() {
    prints_as_docker_does("misuse");
}

#[test]
fn every_step_was_captured_and_every_difference_is_of_a_step() {
    let mut all = Vec::new();
    for file in files() {
        for step in steps(&file) {
            let captured = references().join(format!("docker-20.10/{}.txt", step.id));
            assert!(
                captured.is_file(),
                "{} is missing: run scripts/capture-docker",
                captured.display()
            );
            all.push(step.id);
        }
        let there = fs::read_dir(references().join("docker-20.10").join(&file)).unwrap().count();
        assert_eq!(there, all.iter().filter(|id| id.starts_with(&format!("{file}/"))).count());
    }
    for row in differences() {
        assert!(all.iter().any(|id| matches(&row.step, id)), "no step is called {}", row.step);
    }
}

#[test]
fn a_pattern_matches_the_whole_of_a_name() {
    assert!(matches("containers/inspect-*", "containers/inspect-full"));
    assert!(matches(".GraphDriver.*", ".GraphDriver.Data.LowerDir"));
    assert!(!matches("ps", "ps-all") && !matches("*-all", "ps-all-of"));
}

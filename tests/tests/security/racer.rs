//! Rows 3, 4 and 5 against a race: one container exchanges names in a shared volume without end while
//! others start with mounts below it (CVE-2021-30465, CVE-2025-31133, CVE-2025-52881).

use std::fs;
use std::time::{Duration, Instant};

use isopod_tests::{Outcome, TestContext};

use crate::probe;

const IMAGE: &str = "localhost/probe:latest";

/// Starts containers whose mounts go through names that a running one exchanges.
fn race(starts: u32) {
    let canary = tempfile::tempdir().unwrap();
    for name in ["inner", "inner/deep"] {
        fs::create_dir(canary.path().join(name)).unwrap();
    }
    fs::write(canary.path().join("inner/secret"), "the host's").unwrap();
    let context = TestContext::without_registries();
    probe::image().import(&context, IMAGE);
    let host = canary.path().to_str().unwrap();
    // A folder, and a symbolic link that means the canary on the host.
    let prepare = format!(
        "mkdir -p /v/a/inner/deep && ln -s {host} /v/b && ln -s ../../../../../../../../../..{host} /v/c || exit 1
        probe race /v/a /v/b & exec probe race /v/a /v/c"
    );
    let racer = ["run", "-d", "--name", "racer", "--network", "none", "-v", "shared:/v", IMAGE];
    context.isopod(racer.iter().chain(&["sh", "-c", &prepare])).succeeds();
    let since = Instant::now();
    while !is_racing(&context) {
        assert!(since.elapsed() < Duration::from_secs(10), "the racer does not race");
    }
    let mounts = [
        "type=tmpfs,target=/v/a/inner",
        "type=tmpfs,target=/v/a/inner/deep",
        "type=volume,source=other,target=/v/a/inner",
        "type=volume,source=other,target=/v/a/made",
    ];
    let mut ran = 0;
    for number in 0..starts {
        let mount = mounts[number as usize % mounts.len()];
        let script = "cat /v/a/inner/secret /v/a/secret 2>/dev/null; touch /v/a/inner/x 2>/dev/null; echo ran";
        let run = ["run", "--rm", "--network", "none", "-v", "shared:/v", "--mount", mount, IMAGE];
        let outcome: Outcome = context.isopod(run.iter().chain(&["sh", "-c", script]));
        // It may lose the race and be refused, but never reach out.
        outcome.never_mentions("the host's").never_mentions("panicked");
        ran += u32::from(outcome.stdout.contains("ran"));
        assert_untouched(canary.path());
    }
    assert!(is_racing(&context), "the racer has raced to the end");
    assert!(ran > 0, "some of the starts got through");
}

fn is_racing(context: &TestContext) -> bool {
    let volume = [
        "exec",
        "racer",
        "sh",
        "-c",
        "for i in 1 2 3 4 5 6 7 8; do readlink /v/a; [ -d /v/a ] && [ ! -L /v/a ] && echo folder; done | sort -u | wc -l",
    ];
    context.isopod(volume).stdout.trim().parse::<u32>().is_ok_and(|kinds| kinds > 1)
}

#[track_caller]
fn assert_untouched(canary: &std::path::Path) {
    let names = |path: &std::path::Path| {
        let mut names: Vec<_> =
            fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(canary), ["inner"]);
    assert_eq!(names(&canary.join("inner")), ["deep", "secret"]);
    assert!(names(&canary.join("inner/deep")).is_empty());
}

#[test]
fn names_exchanged_during_a_start_lead_nowhere_on_the_host() {
    race(48);
}

#[test]
#[ignore = "slow: thousands of starts"]
fn names_exchanged_during_thousands_of_starts_lead_nowhere_on_the_host() {
    race(5000);
}

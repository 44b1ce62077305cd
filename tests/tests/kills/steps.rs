//! The steps that the source has, and those that a log says were come by.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use isopod_tests::binary::workspace;

/// Every `step("…")` of the tree but those of tests, sorted.
pub fn in_source() -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![workspace().join("runtime"), workspace().join("cli/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the tree is there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(in_file(&path));
            }
        }
    }
    names.sort();
    names.dedup();
    assert!(names.len() > 50, "the steps are found: {names:?}");
    names
}

/// The codes of what a kill may leave, as the checker's page says how each comes; where something is created, also of
/// what is missing still.
pub fn left_by_kills(creates: bool) -> Vec<String> {
    let path = workspace().join("docs/fsck.md");
    let page = fs::read_to_string(path).expect("the page is there");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let is_left = |how: &str| how.contains("kill") && (creates || !how.contains("creation"));
    let killed = rows.filter(|row| row.split(" | ").nth(2).is_some_and(is_left));
    let codes: Vec<String> =
        killed.filter_map(|row| Some(row.split_once('`')?.0.to_owned())).collect();
    assert!(codes.len() > 10, "the page says what kills leave: {codes:?}");
    codes
}

fn in_file(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("it is text");
    let calls = text.split("step(\"").skip(1);
    calls.filter_map(|rest| Some(rest.split_once("\")")?.0.to_owned())).collect()
}

/// A log of steps ([`isopod_sys::step`]'s), from its beginning.
pub struct Log(pub PathBuf);

impl Log {
    pub fn clear(&self) {
        fs::write(&self.0, "").expect("the folder is ours");
    }

    fn lines(&self) -> Vec<(i32, String)> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let parse = |line: &str| {
            let (pid, name) = line.split_once(' ')?;
            Some((pid.parse().ok()?, name.to_owned()))
        };
        text.lines().filter_map(parse).collect()
    }

    /// By how many passings of each step one process came at most.
    pub fn counts(&self) -> BTreeMap<String, u32> {
        let mut of_processes: BTreeMap<(String, i32), u32> = BTreeMap::new();
        for (pid, name) in self.lines() {
            *of_processes.entry((name, pid)).or_default() += 1;
        }
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for ((name, _), count) in of_processes {
            let most = counts.entry(name).or_default();
            *most = count.max(*most);
        }
        counts
    }

    /// Whether a process has come by `name` for the `nth` time; it is dead then, or stopped.
    pub fn is_done(&self, name: &str, nth: u32) -> bool {
        self.counts().get(name).is_some_and(|count| *count >= nth)
    }
}

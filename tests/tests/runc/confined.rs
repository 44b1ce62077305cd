//! What docs/security.md promises, where this command line has a way of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use isopod_tests::until;
use rustix::fs::Mode;
use serde_json::json;

use crate::bundle::{Bundle, told};

/// Opens the monitor's program for reading while it runs, waits for its end, and opens the same for writing.
const ATTACK: &str = "until [ -e /held ]; do \
        for p in /proc/[0-9]*; do \
            case $(cat $p/cmdline) in /proc/self/exe*) exec 3<$p/exe && echo $p > /held && break;; esac; \
        done; \
    done; \
    p=$(cat /held); while [ -d $p ]; do :; done; \
    echo hurt > /proc/self/fd/3 && echo written; echo over";

/// The files below a folder and what is in them.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    all
}

/// The program of the container is the program that makes containers: a folder whose `launch.json` is
/// a pipe keeps it waiting.
#[test]
fn the_program_that_makes_containers_cannot_be_written_from_inside() {
    let bundle = Bundle::new();
    fs::create_dir_all(bundle.path("bundle/rootfs/proc")).unwrap();
    let trap = bundle.path("bundle/rootfs/trap");
    fs::create_dir(&trap).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, trap.join("launch.json"), Mode::RWXU).unwrap();
    bundle.set("/root/readonly", false.into());
    for set in ["bounding", "effective", "permitted"] {
        bundle.set(&format!("/process/capabilities/{set}"), json!(["CAP_SYS_PTRACE"]));
    }
    let ours = bundle.ours();
    assert_eq!(ours.leave(&["run", "-d", "c1"]), 0, "{}", ours.left());
    let programs = bundle.path("data/bin");
    let before = files(&programs);
    assert!(!before.is_empty());

    let mut attack = ours.command(&["exec", "c1", "sh", "-c", ATTACK]);
    let attack = attack.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It becomes the program by the link to what executes it.
    let mut victim = ours.command(&["exec", "c1", "/proc/self/exe", "/trap"]);
    let victim = victim.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut victim = victim.unwrap();
    let held = bundle.path("bundle/rootfs/held");
    until("the program is held open", || held.exists());
    drop(fs::File::options().write(true).open(trap.join("launch.json")).unwrap());
    victim.wait().unwrap();
    let told = told(&attack.wait_with_output().unwrap());
    assert_eq!(told.out, "over\n", "{told:?}");
    assert!(told.err.contains("Read-only file system"), "{told:?}");
    assert!(files(&programs) == before, "the program has changed");
    assert_eq!(ours.run(&["delete", "-f", "c1"]).status, 0);
}

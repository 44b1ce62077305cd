//! Control groups of this machine, below one of the test's own.

use super::*;
use std::process::Command;

fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("/isopod-test-{}/{name}/inner", std::process::id()))
}

#[test]
fn a_folder_where_no_hierarchy_is_mounted_is_none() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("unified")).unwrap();
    let found = Hierarchies::find_below(root.path()).unwrap();
    assert_eq!(found.folders(Path::new("/one")).count(), 0);
}

#[test]
fn killing_a_group_empties_it_and_removing_it_leaves_no_parent() {
    let hierarchies = Hierarchies::find().unwrap();
    let path = path("kill");
    hierarchies.create(&path).unwrap();
    let mut child = Command::new("sleep").arg("100").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let freezer = hierarchies.folder("freezer", &path).unwrap();
    overwrite(&freezer.join("cgroup.procs"), &pid.to_string()).unwrap();
    assert_eq!(hierarchies.processes(&path).unwrap(), [pid]);
    hierarchies.set_frozen(&path, true).unwrap();
    assert!(hierarchies.is_frozen(&freezer).unwrap());
    let waiter = std::thread::spawn(move || child.wait().unwrap());
    hierarchies.kill(&path, Duration::from_secs(5)).unwrap();
    assert!(!waiter.join().unwrap().success());
    hierarchies.remove(&path).unwrap();
    let parent = path.parent().unwrap();
    assert!(hierarchies.folders(parent).all(|folder| !folder.exists()));
    let top = parent.parent().unwrap().to_owned();
    // Another test of this process may hold the topmost one.
    assert!(hierarchies.folders(&top).all(|folder| folder != freezer));
}

#[test]
fn the_slice_above_a_scope_is_left_to_systemd() {
    let hierarchies = Hierarchies::find().unwrap();
    let slice = path("slice");
    let scope = slice.join("one.scope");
    hierarchies.create(&scope).unwrap();
    hierarchies.remove(&scope).unwrap();
    hierarchies.prune(&scope).unwrap();
    let is_there = |path: &Path| hierarchies.folders(path).any(|folder| folder.exists());
    let (scope_stays, slice_stays) = (is_there(&scope), is_there(&slice));
    hierarchies.prune(&slice).unwrap();
    assert!(!scope_stays && slice_stays);
}

#[test]
fn a_new_group_has_the_files_of_every_controller() {
    let hierarchies = Hierarchies::find().unwrap();
    let path = path("files");
    hierarchies.create(&path).unwrap();
    let mut missing = Vec::new();
    for (controller, file) in [("memory", "memory.stat"), ("pids", "pids.max"), ("cpu", "cpu.stat")]
    {
        let folder = hierarchies.folder(controller, &path).unwrap();
        if !folder.join(file).exists() {
            missing.push(file);
        }
    }
    hierarchies.remove(&path).unwrap();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_group_that_is_not_there_is_empty_and_can_be_removed() {
    let hierarchies = Hierarchies::find().unwrap();
    let path = path("absent");
    assert!(hierarchies.processes(&path).unwrap().is_empty());
    hierarchies.kill(&path, Duration::ZERO).unwrap();
    hierarchies.remove(&path).unwrap();
    assert_eq!(hierarchies.oom_kills(&path).unwrap(), 0);
}

//! Orphans come to this process, as on a machine whose first process reaps: where it does not, what was
//! killed stays in the process table and holds its pid namespace.

use std::fs;

use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// From now on.
pub fn adopt() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .expect("it needs no right");
}

/// Takes the status of those that have ended, but for commands that a test has started and waits for.
pub fn reap() {
    let mut all: Vec<String> = Vec::new();
    // They are given to any thread of ours.
    for task in fs::read_dir("/proc/self/task").expect("procfs is mounted").flatten() {
        let of_task = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(of_task.split_whitespace().map(str::to_owned));
    }
    for child in all.iter().filter_map(|child| child.parse::<i32>().ok()) {
        let comm = fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
        if comm.starts_with("isopod-") || !comm.starts_with("isopod") {
            waitpid(Pid::from_raw(child), Some(WaitPidFlag::WNOHANG)).ok();
        }
    }
}

//! The quick start refuses before it changes anything; what it does else is tried by hand,
//! as it installs into the machine it runs on.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use isopod_tests::binary::workspace;
use isopod_tests::{Invocation, Outcome};

/// Asks for a link named `docker`, with a folder ahead of everything else on the path.
fn quickstart(prefix: &Path, path: &Path) -> Outcome {
    let prefix = format!("--prefix={}", prefix.display());
    let script = workspace().join("scripts/quickstart");
    let path = format!("{}:/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin", path.display());
    Invocation::new(script, [prefix.as_str(), "--links=docker"]).env("PATH", path).run()
}

fn program(file: &Path) {
    fs::write(file, "#!/bin/sh\n").unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_quick_start_refuses_to_hide_a_tool_of_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let (prefix, path) = (folder.path().join("prefix"), folder.path().join("path"));
    fs::create_dir(&path).unwrap();
    program(&path.join("docker"));
    let hidden = format!("would hide {}", path.join("docker").display());
    quickstart(&prefix, &path).fails_with(1).complains_of(&hidden);
    assert!(!prefix.exists(), "nothing was installed");
}

#[test]
fn the_quick_start_refuses_to_overwrite_a_file_or_a_link_that_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("docker"), "somebody's").unwrap();
    let hidden = format!("would hide {}", bin.join("docker").display());
    quickstart(folder.path(), Path::new("/nonexistent")).fails_with(1).complains_of(&hidden);
    assert_eq!(fs::read_to_string(bin.join("docker")).unwrap(), "somebody's");

    fs::remove_file(bin.join("docker")).unwrap();
    symlink("/no/such/tool", bin.join("docker")).unwrap();
    quickstart(folder.path(), Path::new("/nonexistent")).fails_with(1).complains_of(&hidden);
}

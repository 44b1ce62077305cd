//! The process of an exec, beside that of its container.

use std::path::Path;

use isopod_image::config::ContainerConfig;
use oci_spec::runtime::Capability;
use tempfile::TempDir;

use super::*;
use crate::request::{Profile, SpecRequest};
use crate::testing::host;

fn container(change: impl FnOnce(&mut SpecRequest<'_>)) -> (TempDir, Root, Spec) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    let passwd = "root:x:0:0::/root:/bin/sh\nredis:x:999:1000::/data:/bin/false\n";
    std::fs::write(folder.path().join("etc/passwd"), passwd).unwrap();
    let root = Root::open(folder.path()).unwrap();
    let image = ContainerConfig { cmd: vec!["true".to_owned()], ..Default::default() };
    let machine = host();
    let mut request = SpecRequest::new(&image, &root, "rootfs", &machine, Profile::Docker);
    change(&mut request);
    let spec = crate::build(&request).unwrap();
    (folder, root, spec)
}

fn request(args: &[&str]) -> ExecRequest {
    ExecRequest {
        args: args.iter().map(|w| (*w).to_owned()).collect(),
        held: host().capabilities,
        ..Default::default()
    }
}

fn home(process: &Process) -> &str {
    let env = process.env().as_ref().unwrap();
    env.iter().find_map(|entry| entry.strip_prefix("HOME=")).unwrap()
}

#[test]
fn an_exec_inherits_what_the_container_has() {
    let (_folder, root, spec) = container(|request| {
        request.process.user = Some("redis".into());
        request.process.env = vec!["A=1".into()];
        request.process.cwd = Some("/srv".into());
        request.security.no_new_privileges = true;
        request.ulimits = vec![crate::ulimit::parse("nofile=10").unwrap()];
        request.oom_score_adj = Some(7);
    });
    let exec = exec_process(&spec, &root, &request(&["id"])).unwrap();
    let init = spec.process().as_ref().unwrap();
    assert_eq!(exec.args().as_deref().unwrap(), ["id"]);
    assert_eq!(exec.env(), init.env());
    assert_eq!(exec.user(), init.user());
    assert_eq!(exec.cwd(), Path::new("/srv"));
    assert_eq!(exec.capabilities(), init.capabilities());
    assert_eq!(exec.rlimits(), init.rlimits());
    assert_eq!(exec.no_new_privileges(), Some(true));
    assert_eq!(exec.apparmor_profile(), init.apparmor_profile());
    assert_eq!(exec.oom_score_adj(), Some(7));
}

#[test]
fn an_exec_as_somebody_else_gets_that_users_ids_home_and_capabilities() {
    let (_folder, root, spec) = container(|request| request.process.user = Some("redis".into()));
    let asked = ExecRequest { user: Some("root".into()), ..request(&["id"]) };
    let exec = exec_process(&spec, &root, &asked).unwrap();
    assert_eq!((exec.user().uid(), exec.user().gid()), (0, 0));
    assert_eq!(home(&exec), "/root");
    let effective = exec.capabilities().as_ref().unwrap().effective().clone().unwrap();
    assert_eq!(effective.len(), 14);
    let (_folder, root, spec) =
        container(|request| request.process.env = vec!["HOME=/mine".into()]);
    let asked = ExecRequest { user: Some("redis".into()), ..request(&["id"]) };
    let exec = exec_process(&spec, &root, &asked).unwrap();
    assert_eq!(home(&exec), "/mine");
    assert_eq!(exec.capabilities().as_ref().unwrap().effective().as_ref().unwrap().len(), 0);
}

#[test]
fn added_groups_come_beside_those_the_user_has() {
    let (_folder, root, spec) = container(|request| {
        request.process.user = Some("redis".into());
        request.process.group_add = vec!["44".into()];
    });
    let asked = ExecRequest { group_add: vec!["29".into(), "44".into()], ..request(&["id"]) };
    let exec = exec_process(&spec, &root, &asked).unwrap();
    assert_eq!(exec.user().additional_gids().as_deref().unwrap(), [1000, 44, 29]);
    let asked = ExecRequest { user: Some("root".into()), ..asked };
    let exec = exec_process(&spec, &root, &asked).unwrap();
    assert_eq!(exec.user().additional_gids().as_deref().unwrap(), [0, 29, 44]);
}

#[test]
fn inheritable_capabilities_of_an_exec_are_empty_even_when_privileged() {
    let (_folder, root, spec) = container(|_| {});
    let asked = ExecRequest { privileged: true, ..request(&["id"]) };
    let exec = exec_process(&spec, &root, &asked).unwrap();
    let sets = exec.capabilities().as_ref().unwrap();
    assert_eq!(sets.bounding().as_ref().unwrap().len(), 41);
    assert_eq!(sets.inheritable().as_ref().unwrap().len(), 0);
    assert_eq!(sets.ambient().as_ref().unwrap().len(), 0);
    assert_eq!(exec.apparmor_profile(), &None);
    let asked = ExecRequest { cap_add: vec!["net_admin".into()], ..request(&["id"]) };
    let exec = exec_process(&spec, &root, &asked).unwrap();
    let sets = exec.capabilities().clone().unwrap();
    assert!(sets.bounding().as_ref().unwrap().contains(&Capability::NetAdmin));
    assert_eq!(sets.bounding().as_ref().unwrap().len(), 15);
}

#[test]
fn an_exec_without_a_command_or_with_a_relative_folder_is_refused() {
    let (_folder, root, spec) = container(|_| {});
    assert!(matches!(exec_process(&spec, &root, &request(&[])), Err(SpecError::NoCommand)));
    let asked = ExecRequest { cwd: Some("srv".into()), ..request(&["id"]) };
    assert!(matches!(exec_process(&spec, &root, &asked), Err(SpecError::WorkingDirectory(_))));
    let asked = ExecRequest { user: Some("nobody-knows".into()), ..request(&["id"]) };
    assert!(matches!(exec_process(&spec, &root, &asked), Err(SpecError::User(_))));
}

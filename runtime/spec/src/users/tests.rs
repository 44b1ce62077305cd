//! Users and groups, from honest and hostile files.

use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::*;

const PASSWD: &str = "\
# a comment
root:x:0:0:root:/root:/bin/ash
broken
negative:x:-1:0::/x:/bin/sh
huge:x:4294967296:0::/x:/bin/sh
wrapped:x:18446744073709551616:0::/x:/bin/sh
redis:x:999:1000:redis:/home/redis:/bin/false
77:x:5:6::/seventy-seven:/bin/sh
homeless:x:50:50
relative:x:51:51::not/absolute:/bin/sh
";
const GROUP: &str = "\
root:x:0:root
redis:x:1000:redis
audio:x:29:daemon,redis,xredis
video:x:44:redis
bad:x:-7:redis
nogroup:x:65533:
";

fn image() -> (TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("etc")).unwrap();
    fs::write(folder.path().join("etc/passwd"), PASSWD).unwrap();
    fs::write(folder.path().join("etc/group"), GROUP).unwrap();
    let root = Root::open(folder.path()).unwrap();
    (folder, root)
}

fn ids(root: &Root, user: &str) -> (u32, u32, Vec<u32>, String) {
    let user = resolve(root, user, &[]).unwrap_or_else(|error| panic!("{user}: {error}"));
    (user.uid, user.gid, user.additional_gids, user.home)
}

#[test]
fn names_and_numbers_resolve_as_docker_resolves_them() {
    let (_folder, root) = image();
    let home = |home: &str| home.to_owned();
    for (user, expected) in [
        ("", (0, 0, vec![0], home("/root"))),
        ("root", (0, 0, vec![0], home("/root"))),
        ("redis", (999, 1000, vec![1000, 29, 44], home("/home/redis"))),
        ("999", (999, 1000, vec![1000, 29, 44], home("/home/redis"))),
        ("0999", (999, 1000, vec![1000, 29, 44], home("/home/redis"))),
        ("redis:audio", (999, 29, vec![29], home("/home/redis"))),
        ("redis:12", (999, 12, vec![12], home("/home/redis"))),
        ("1234", (1234, 0, vec![0], home("/"))),
        ("1234:5678", (1234, 5678, vec![5678], home("/"))),
        (":29", (0, 29, vec![29], home("/root"))),
        ("homeless", (50, 50, vec![50], home("/"))),
        ("relative", (51, 51, vec![51], home("/"))),
        ("4294967294", (4_294_967_294, 0, vec![0], home("/"))),
        // A user whose name is a number is found by that name.
        ("77", (5, 6, vec![6], home("/seventy-seven"))),
    ] {
        assert_eq!(ids(&root, user), expected, "{user:?}");
    }
}

#[test]
fn added_groups_follow_the_primary_one_without_repetition() {
    let (_folder, root) = image();
    let add = ["audio".to_owned(), "29".to_owned(), "7".to_owned()];
    let user = resolve(&root, "redis", &add).unwrap();
    assert_eq!(user.additional_gids, [1000, 29, 44, 7]);
    let error = resolve(&root, "redis", &["nobody-knows".to_owned()]).unwrap_err();
    assert!(matches!(error, UserError::UnknownGroup(name) if name == "nobody-knows"));
}

#[test]
fn numbers_outside_32_bits_are_refused_and_never_wrapped() {
    let (_folder, root) = image();
    for user in [
        "-1",
        "+1",
        "4294967295",
        "4294967296",
        "18446744073709551616",
        "0:-1",
        "0:4294967296",
        "99999999999999999999999999",
    ] {
        let error = resolve(&root, user, &[]).unwrap_err();
        assert!(matches!(error, UserError::OutOfRange(_)), "{user}: {error}");
    }
    // Lines whose numbers do not fit are no lines.
    for user in ["negative", "huge", "wrapped", "0x10", "1e3", " 1", "1 ", "٣"] {
        let error = resolve(&root, user, &[]).unwrap_err();
        assert!(matches!(error, UserError::UnknownUser(_)), "{user}: {error}");
    }
    for user in ["a:b:c", "root\n", "::"] {
        let error = resolve(&root, user, &[]).unwrap_err();
        assert!(matches!(error, UserError::Malformed(_)), "{user:?}: {error}");
    }
}

#[test]
fn numeric_users_need_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path()).unwrap();
    assert_eq!(ids(&root, "10:20"), (10, 20, vec![20], "/".to_owned()));
    assert_eq!(ids(&root, ""), (0, 0, vec![0], "/".to_owned()));
    assert!(matches!(resolve(&root, "redis", &[]), Err(UserError::UnknownUser(_))));
}

#[test]
fn a_fifo_or_an_endless_file_for_passwd_is_an_error_at_once() {
    let (folder, root) = image();
    let passwd = folder.path().join("etc/passwd");
    fs::remove_file(&passwd).unwrap();
    mknodat(CWD, &passwd, FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert!(matches!(resolve(&root, "0", &[]), Err(UserError::File { path: "/etc/passwd", .. })));

    fs::remove_file(&passwd).unwrap();
    let sparse = fs::File::create(&passwd).unwrap();
    sparse.set_len(1 << 30).unwrap();
    let error = resolve(&root, "0", &[]).unwrap_err();
    assert!(matches!(error, UserError::File { path: "/etc/passwd", .. }), "{error}");
}

#[test]
fn a_symlink_for_passwd_stays_inside_the_image() {
    let (folder, root) = image();
    let passwd = folder.path().join("etc/passwd");
    fs::remove_file(&passwd).unwrap();
    // The host's file knows `daemon`; the image's path of the same name does not exist.
    symlink("../../../../../../../../etc/passwd-not-here", &passwd).unwrap();
    assert!(matches!(resolve(&root, "daemon", &[]), Err(UserError::UnknownUser(_))));
}

proptest! {
    #[test]
    fn an_all_digit_user_is_that_number_or_refused(text in "[0-9]{1,30}") {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        let number: Option<u128> = text.parse().ok();
        match resolve(&root, &text, &[]) {
            Ok(user) => prop_assert_eq!(Some(u128::from(user.uid)), number),
            Err(_) => prop_assert!(number.is_none_or(|n| n >= u128::from(u32::MAX))),
        }
    }

    #[test]
    fn hostile_files_neither_panic_nor_invent_ids(
        passwd in proptest::collection::vec(any::<u8>(), 0..400),
        lines in "([a-z:0-9,\\-]{0,20}\n){0,20}",
        user in "[a-z0-9:\\-]{0,12}",
    ) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/passwd"), passwd).unwrap();
        fs::write(folder.path().join("etc/group"), &lines).unwrap();
        let root = Root::open(folder.path()).unwrap();
        if let Ok(user) = resolve(&root, &user, &[]) {
            prop_assert_ne!(user.uid, u32::MAX);
            prop_assert_ne!(user.gid, u32::MAX);
            prop_assert_eq!(user.additional_gids[0], user.gid);
        }
    }
}

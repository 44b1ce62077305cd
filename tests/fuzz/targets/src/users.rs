//! `/etc/passwd` and `/etc/group` of an image: an id is a 32-bit number that means itself, or nothing is found.

use std::fs;

use isopod_spec::users::resolve;
use isopod_sys::root::Root;

use crate::scratch;

/// `user[:group]`, a line `--`, passwd, a line `--`, group.
pub fn passwd(data: &[u8]) {
    let [user, passwd, group] = scratch::parts(data);
    let Ok(user) = std::str::from_utf8(user) else { return };
    let folder = scratch::folder();
    fs::create_dir(folder.path().join("etc")).unwrap();
    fs::write(folder.path().join("etc/passwd"), passwd).unwrap();
    fs::write(folder.path().join("etc/group"), group).unwrap();
    let root = Root::open(folder.path()).unwrap();
    let Ok(resolved) = resolve(&root, user, &[]) else { return };

    // -1 is "unchanged" to setuid(2) and its kin.
    assert!(resolved.uid != u32::MAX && resolved.gid != u32::MAX);
    assert!(!resolved.additional_gids.contains(&u32::MAX));
    assert_eq!(resolved.additional_gids.first(), Some(&resolved.gid));
    let mut once = resolved.additional_gids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), resolved.additional_gids.len(), "{resolved:?}");
    assert!(
        resolved.home.starts_with('/') && !resolved.home.contains(['\0', '\n']),
        "{resolved:?}"
    );

    let (name, wanted) = user.split_once(':').unwrap_or((user, ""));
    let known = passwd
        .split(|byte| *byte == b'\n')
        .any(|line| line.split(|byte| *byte == b':').next() == Some(name.as_bytes()));
    if !known && !name.is_empty() {
        // No such name: then it is the number that it spells, wherever the kernel counts.
        assert_eq!(
            name.parse::<u64>().ok(),
            Some(u64::from(resolved.uid)),
            "{user:?} {resolved:?}"
        );
        assert!(name.bytes().all(|byte| byte.is_ascii_digit()), "{user:?}");
    }
    if wanted.bytes().all(|byte| byte.is_ascii_digit()) && !wanted.is_empty() && group.is_empty() {
        assert_eq!(wanted.parse::<u64>().ok(), Some(u64::from(resolved.gid)), "{user:?}");
    }
}

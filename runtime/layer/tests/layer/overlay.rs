//! Deletions and replacements between layers: written for overlayfs, or done in place, and
//! seen the same; and which layers may be shared.

use isopod_layer::{NotSelfContained, WhiteoutEncoding};

use crate::archive::Tar;
use crate::image::Stack;
use crate::look::{Look, assert_same, look};
use crate::scratch::{folder, scratch};

/// What lower layers have.
fn base() -> Tar {
    Tar::new()
        .folder("d")
        .file("d/low", "low")
        .folder("d/sub")
        .file("d/sub/deep", "deep")
        .file("f", "f")
        .symlink("s", "d")
        .folder("other")
        .file("other/x", "x")
}

/// The paths a container sees, over the base, for each way to get there.
#[track_caller]
fn paths(tar: &[u8]) -> Vec<String> {
    let root = scratch();
    let mut seen: Option<std::collections::BTreeMap<String, String>> = None;
    for encoding in [
        None,
        Some(WhiteoutEncoding::Device),
        Some(WhiteoutEncoding::UserDevice),
        Some(WhiteoutEncoding::UserXattr),
    ] {
        let place = folder(root.path(), &format!("{encoding:?}"));
        let mut stack = Stack::new(&place, encoding.unwrap_or(WhiteoutEncoding::Device));
        stack.add(&base().finish()).unwrap().unwrap();
        match encoding {
            None => stack.add_merged(tar).unwrap(),
            Some(_) => stack.add(tar).unwrap().unwrap(),
        }
        let now = look(&stack.mount().path(), Look::default());
        if let Some(before) = &seen {
            assert_same(("merged", before), (&format!("{encoding:?}"), &now));
        }
        seen = Some(now);
    }
    seen.unwrap().into_keys().filter(|path| !path.is_empty()).collect()
}

#[test]
fn a_deleted_file_and_a_deleted_folder_are_gone() {
    let seen = paths(&Tar::new().file(".wh.d", "").file(".wh.f", "").file(".wh.s", "").finish());
    assert_eq!(seen, ["/other", "/other/x"]);
    let seen = paths(&Tar::new().file(".wh.absent", "").finish());
    assert_eq!(seen, ["/d", "/d/low", "/d/sub", "/d/sub/deep", "/f", "/other", "/other/x", "/s"]);
}

#[test]
fn a_deletion_spares_the_layers_own_entries_wherever_it_stands() {
    let own = [Tar::new().folder("d"), Tar::new().file("d/own", ""), Tar::new().file("f", "own")];
    let deletions = [Tar::new().file(".wh.d", ""), Tar::new().file(".wh.f", "")];
    let expected = ["/d", "/d/own", "/f", "/other", "/other/x", "/s"];
    let join = |parts: Vec<&Tar>| -> Vec<u8> {
        let parts: Vec<_> = parts.into_iter().map(|part| part.clone().unfinished()).collect();
        [parts.concat(), vec![0; 1024]].concat()
    };
    assert_eq!(paths(&join(deletions.iter().chain(&own).collect())), expected);
    assert_eq!(paths(&join(own.iter().chain(&deletions).collect())), expected);
    assert_eq!(
        paths(&join(vec![&own[0], &deletions[0], &own[1], &own[2], &deletions[1]])),
        expected
    );
}

#[test]
fn an_opaque_folder_shows_the_layers_own_entries_wherever_it_stands() {
    let expected = ["/d", "/d/own", "/d/sub", "/f", "/other", "/other/x", "/s"];
    let opaque = "d/.wh..wh..opq";
    let before = Tar::new().folder("d").file(opaque, "").file("d/own", "").folder("d/sub");
    assert_eq!(paths(&before.finish()), expected);
    let after = Tar::new().folder("d").file("d/own", "").folder("d/sub").file(opaque, "");
    assert_eq!(paths(&after.finish()), expected);
    let with_whiteouts = Tar::new()
        .folder("d")
        .file("d/.wh.low", "")
        .file("d/own", "")
        .file(opaque, "")
        .file("d/.wh.sub", "")
        .folder("d/sub");
    assert_eq!(paths(&with_whiteouts.finish()), expected);
}

#[test]
fn a_folder_in_place_of_a_file_does_not_continue_a_lower_folder() {
    // A file for a moment only, in one layer: what was below it must stay gone.
    let seen = paths(&Tar::new().file("d", "").folder("d").file("d/new", "").finish());
    assert_eq!(seen, ["/d", "/d/new", "/f", "/other", "/other/x", "/s"]);
    let seen = paths(&Tar::new().file(".wh.d", "").folder("d").finish());
    assert_eq!(seen, ["/d", "/f", "/other", "/other/x", "/s"]);
    let seen = paths(&Tar::new().folder("f").file("f/x", "").folder("s").file("s/x", "").finish());
    assert_eq!(
        seen,
        ["/d", "/d/low", "/d/sub", "/d/sub/deep", "/f", "/f/x", "/other", "/other/x", "/s", "/s/x"]
    );
}

#[test]
fn a_folder_listed_again_has_only_its_last_attributes() {
    let attribute = |tar: Tar, name: &str| tar.pax(&[(name, b"y")]).folder("d");
    let tar = attribute(Tar::new(), "SCHILY.xattr.user.first");
    let tar = attribute(tar, "SCHILY.xattr.user.second").finish();
    paths(&tar);
    let root = scratch();
    let mut stack = Stack::new(root.path(), WhiteoutEncoding::Device);
    stack.add(&attribute(Tar::new(), "SCHILY.xattr.user.lower").finish()).unwrap().unwrap();
    stack.add_merged(&tar).unwrap();
    let line = &look(&stack.mount().path(), Look::default())["/d"];
    assert!(line.ends_with("folder user.second=y"), "{line}");
}

#[track_caller]
fn not_alone(tar: &Tar) -> NotSelfContained {
    let root = scratch();
    let into = folder(root.path(), "into");
    let unpacked = crate::scratch::standalone(&tar.clone().finish(), &into).unwrap();
    let blob = tar.clone().finish();
    assert_eq!(unpacked.diff_id, isopod_image::digest::Digest::sha256(&blob));
    unpacked.self_contained.unwrap_err()
}

#[test]
fn a_layer_that_needs_its_parents_is_not_shared() {
    use NotSelfContained::{HardLink, ImplicitParent, RootOpaque, ThroughSymlink};
    let more = |tar: Tar| tar.file("more", &"x".repeat(100_000));
    assert!(matches!(not_alone(&more(Tar::new().hard_link("h", "d/low"))), HardLink { .. }));
    assert!(matches!(
        not_alone(&more(Tar::new().hard_link("h", "f").file("f", ""))),
        HardLink { .. }
    ));
    assert!(matches!(not_alone(&more(Tar::new().file(".wh..wh..opq", ""))), RootOpaque));
    let symlink = Tar::new().symlink("l", "d").file("l/x", "");
    assert!(matches!(not_alone(&more(symlink)), ThroughSymlink { .. }));
    let symlink = Tar::new().folder("d").file("d/x", "").symlink("l", "d").hard_link("h", "l/x");
    assert!(matches!(not_alone(&more(symlink)), ThroughSymlink { .. }));
    let path = |tar: Tar| match not_alone(&more(tar)) {
        ImplicitParent { path } => path,
        other => panic!("{other:?}"),
    };
    assert_eq!(path(Tar::new().folder("d").file("d/sub/x", "")), "d/sub");
    assert_eq!(path(Tar::new().file("d/.wh.low", "")), "d");
    assert_eq!(path(Tar::new().file("d/.wh..wh..opq", "")), "d");
    assert_eq!(path(Tar::new().file("d/x", "").file(".wh.d", "")), "d");
}

#[test]
fn a_parent_listed_after_its_children_is_listed() {
    let seen = paths(&Tar::new().file("new/x", "").file("new/y", "").folder("new").finish());
    assert!(seen.contains(&"/new/x".to_owned()));
}

#[test]
fn an_implicit_parent_keeps_what_lower_layers_gave_it() {
    let root = scratch();
    let mut stack = Stack::new(root.path(), WhiteoutEncoding::Device);
    let owned = Tar::new().pax(&[("SCHILY.xattr.user.kept", b"y")]).entry_with(
        b'5',
        "home",
        "",
        b"",
        |header| header.mode(0o2770).owner(1000, 100).mtime(77),
    );
    stack.add(&owned.finish()).unwrap().unwrap();
    let before = look(&stack.mount().path(), Look::default());
    let reason = stack.add(&Tar::new().file("home/new", "").finish()).unwrap().unwrap_err();
    assert!(matches!(reason, NotSelfContained::ImplicitParent { .. }));
    let after = look(&stack.mount().path(), Look::default());
    assert_eq!(before["/home"], after["/home"]);
    assert!(after["/home"].starts_with("2770 1000:100 77.0"), "{}", after["/home"]);
    assert!(after["/home/new"].starts_with("644 0:0"), "the group of the folder is not inherited");
}

#[test]
fn a_hard_link_to_a_lower_layers_file_is_one_file_with_it() {
    let root = scratch();
    let mut stack = Stack::new(root.path(), WhiteoutEncoding::Device);
    stack.add(&base().finish()).unwrap().unwrap();
    let tar = Tar::new().hard_link("h", "d/sub/deep").hard_link("other/h", "s/low").finish();
    assert!(stack.add(&tar).unwrap().is_err());
    let seen = look(&stack.mount().path(), Look::default());
    assert!(seen["/h"].contains("file 4 deep linked to /d/sub/deep"), "{}", seen["/h"]);
    assert!(seen["/other/h"].contains("file 3 low linked to /d/low"), "{}", seen["/other/h"]);
}

#[test]
fn a_path_through_a_lower_layers_symlink_ends_inside_the_root() {
    let root = scratch();
    let mut stack = Stack::new(root.path(), WhiteoutEncoding::Device);
    let links = base()
        .symlink("absolute", "/other")
        .symlink("up", "../../../other")
        .symlink("dangling", "/not/there")
        .finish();
    stack.add(&links).unwrap().unwrap();
    let tar = Tar::new()
        .file("s/through", "")
        .file("absolute/one", "")
        .file("up/two", "")
        .file("dangling/three", "")
        .file("s/sub/../four", "")
        .finish();
    assert!(stack.add(&tar).unwrap().is_err());
    let seen = look(&stack.mount().path(), Look::default());
    for path in ["/d/through", "/other/one", "/other/two", "/not/there/three", "/d/four"] {
        assert!(seen.contains_key(path), "{path}: {seen:?}");
    }
    assert!(seen["/not/there"].starts_with("755 0:0"), "{}", seen["/not/there"]);
    assert!(seen["/s"].contains("-> d"));
}

#[test]
fn one_hundred_and_twenty_seven_layers_are_one_image() {
    let root = scratch();
    let mut stack = Stack::new(root.path(), WhiteoutEncoding::Device);
    for number in 0..127 {
        let mut tar = Tar::new().folder("d").file(&format!("d/{number}"), "");
        if number > 0 {
            tar = tar.file(&format!("d/.wh.{}", number - 1), "");
        }
        stack.add(&tar.finish()).unwrap().unwrap();
    }
    let seen: Vec<String> = look(&stack.mount().path(), Look::default()).into_keys().collect();
    assert_eq!(seen, ["", "/d", "/d/126"]);
}

//! Random layers over random parents: both ways of unpacking must look the same, nothing
//! outside may change, and where GNU tar means the same it must agree.

use std::path::Path;
use std::process::Command;

use isopod_layer::{Cause, WhiteoutEncoding};
use proptest::prelude::*;

use crate::archive::Tar;
use crate::hostile::Arena;
use crate::image::Stack;
use crate::look::{Look, assert_same, look};
use crate::scratch::{folder, scratch, standalone};

/// One entry, in a small world where names meet each other often.
#[derive(Debug, Clone)]
enum Op {
    Folder(String, u64),
    File(String, String),
    Symlink(String, String),
    HardLink(String, String),
    Fifo(String),
    Whiteout(String),
    Opaque(String),
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4)
        .prop_map(|names| names.join("/"))
}

fn target() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => path(),
        1 => path().prop_map(|path| format!("/{path}")),
        1 => path().prop_map(|path| format!("../{path}")),
        1 => Just("../canary".to_owned()),
        1 => Just("../../canary".to_owned()),
        1 => Just(".".to_owned()),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (path(), prop::sample::select(vec![0o755, 0o700, 0o1777])).prop_map(|(p, m)| Op::Folder(p, m)),
        4 => (path(), "[x-z]{0,3}").prop_map(|(p, c)| Op::File(p, c)),
        2 => (path(), target()).prop_map(|(p, t)| Op::Symlink(p, t)),
        2 => (path(), path()).prop_map(|(p, t)| Op::HardLink(p, t)),
        1 => path().prop_map(Op::Fifo),
        3 => path().prop_map(Op::Whiteout),
        1 => path().prop_map(Op::Opaque),
    ]
}

/// All folders that could be parents, so that a layer may be self-contained.
fn with_parents(ops: Vec<Op>) -> Vec<Op> {
    let mut all = Vec::new();
    for op in ops {
        let path = match &op {
            Op::Folder(path, _) | Op::File(path, _) | Op::Symlink(path, _) => path.clone(),
            Op::HardLink(path, _) | Op::Fifo(path) | Op::Whiteout(path) => path.clone(),
            Op::Opaque(path) => format!("{path}/x"),
        };
        for (end, _) in path.match_indices('/') {
            all.push(Op::Folder(path[..end].to_owned(), 0o750));
        }
        all.push(op);
    }
    all
}

fn tar(ops: &[Op]) -> Vec<u8> {
    let mut tar = Tar::new();
    for (number, op) in ops.iter().enumerate() {
        let time = 1_000_000 + number as u64;
        tar = match op {
            Op::Folder(path, mode) => {
                tar.entry_with(b'5', path, "", b"", |header| header.mode(*mode).mtime(time))
            }
            Op::File(path, content) => {
                tar.entry_with(b'0', path, "", content.as_bytes(), |header| header.mtime(time))
            }
            Op::Symlink(path, target) => tar.symlink(path, target),
            Op::HardLink(path, target) => tar.hard_link(path, target),
            Op::Fifo(path) => tar.entry(b'6', path, "", b""),
            Op::Whiteout(path) => {
                let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
                tar.file(&format!("{folder}/.wh.{name}"), "")
            }
            Op::Opaque(path) => tar.file(&format!("{path}/.wh..wh..opq"), ""),
        };
    }
    tar.finish()
}

/// Only what the layers themselves refuse may fail; never a call to the kernel.
fn refused(error: isopod_layer::LayerError) -> Result<(), TestCaseError> {
    prop_assert!(matches!(error.cause, Cause::Refused { .. }), "{:?}", error);
    Ok(())
}

fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 0..most)
}

/// Parents for a test: what fails to apply is left out.
fn stack_with(root: &Path, parents: &[Vec<Op>]) -> Stack {
    let mut stack = Stack::new(root, WhiteoutEncoding::Device);
    for (number, ops) in parents.iter().enumerate() {
        let place = folder(root, &format!("parent-{number}"));
        let mut one = Stack::new(&place, WhiteoutEncoding::Device);
        one.layers.clone_from(&stack.layers);
        if one.add_merged(&tar(ops)).is_ok() {
            stack.layers = one.layers;
        }
    }
    stack
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_layer_alone_looks_as_over_its_parents(
        parents in prop::collection::vec(ops(12), 0..3),
        layer in ops(12).prop_map(with_parents),
    ) {
        let root = scratch();
        let stack = stack_with(root.path(), &parents);
        let alone = folder(root.path(), "alone");
        let unpacked = match standalone(&tar(&layer), &alone) {
            Ok(unpacked) => unpacked,
            Err(error) => return refused(error),
        };
        if unpacked.self_contained.is_err() {
            return Ok(());
        }
        let place = folder(root.path(), "over");
        let mut over = Stack::new(&place, WhiteoutEncoding::Device);
        over.layers.clone_from(&stack.layers);
        let mut with_alone = Stack::new(root.path(), WhiteoutEncoding::Device);
        with_alone.layers.clone_from(&stack.layers);
        with_alone.layers.push(alone);
        if let Err(error) = over.add_merged(&tar(&layer)) {
            return Err(TestCaseError::fail(format!("alone it could be unpacked: {error}")));
        }
        let one = look(&with_alone.mount().path(), Look::default());
        let other = look(&over.mount().path(), Look::default());
        assert_same(("alone", &one), ("over", &other));
    }

    #[test]
    fn deletions_may_stand_anywhere(
        parent in ops(12).prop_map(with_parents),
        layer in ops(12).prop_map(with_parents),
        places in prop::collection::vec(any::<prop::sample::Index>(), 12 * 4),
    ) {
        // Where paths lead through symlinks that the layer deletes, order does matter.
        let plain = |op: &Op| !matches!(op, Op::Symlink(..) | Op::HardLink(..));
        let parent: Vec<Op> = parent.into_iter().filter(plain).collect();
        let mut layer: Vec<Op> = layer.into_iter().filter(plain).collect();
        // So does it where a folder is replaced: a deletion in it later would bring it back.
        let is_folder = |path: &String, layer: &[Op]| {
            layer.iter().any(|op| matches!(op, Op::Folder(folder, _) if folder == path))
        };
        let folders = layer.clone();
        layer.retain(|op| match op {
            Op::File(path, _) | Op::Fifo(path) => !is_folder(path, &folders),
            Op::Opaque(path) => is_folder(path, &folders),
            _ => true,
        });
        let (deletions, mut moved): (Vec<Op>, Vec<Op>) =
            layer.iter().cloned().partition(|op| matches!(op, Op::Whiteout(_) | Op::Opaque(_)));
        for (deletion, place) in deletions.into_iter().zip(places) {
            let place = place.index(moved.len() + 1);
            moved.insert(place, deletion);
        }
        let root = scratch();
        let stack = stack_with(root.path(), &[parent]);
        let mut seen = Vec::new();
        for (number, ops) in [layer, moved].into_iter().enumerate() {
            let place = folder(root.path(), &format!("order-{number}"));
            let mut one = Stack::new(&place, WhiteoutEncoding::Device);
            one.layers.clone_from(&stack.layers);
            if let Err(error) = one.add_merged(&tar(&ops)) {
                return refused(error);
            }
            // Times differ, as entries are numbered by their place.
            let view = Look { folder_times: false, ..Look::default() };
            let seen_now = look(&one.mount().path(), view);
            let kinds = seen_now.into_iter().map(|(path, line)| {
                let words: Vec<&str> = line.split(' ').collect();
                (path, words.into_iter().filter(|word| !word.starts_with("100")).collect::<Vec<_>>().join(" "))
            });
            seen.push(kinds.collect());
        }
        assert_same(("as generated", &seen[0]), ("moved", &seen[1]));
    }

    #[test]
    fn no_layer_changes_what_is_beside_its_folder(ops in ops(24)) {
        let arena = Arena::new();
        for (_, result) in [arena.alone(&tar(&ops)), arena.over(&tar(&ops))] {
            if let Err(error) = result {
                refused(error)?;
            }
        }
    }

    #[test]
    fn gnu_tar_makes_the_same_of_a_plain_archive(ops in ops(24)) {
        // Names once each, below folders listed before them, linked to files listed before:
        // beyond that GNU tar and layers differ on purpose.
        let mut known = std::collections::BTreeMap::from([(String::new(), 'd')]);
        let mut plain = Vec::new();
        for op in ops {
            let (path, kind) = match &op {
                Op::Folder(path, _) => (path.clone(), 'd'),
                Op::File(path, _) => (path.clone(), 'f'),
                Op::Fifo(path) => (path.clone(), 'p'),
                // Absolute and upward ones are made at the end there, which folders' times show.
                Op::Symlink(path, target) if !target.contains("..") && !target.starts_with('/') => (path.clone(), 'l'),
                Op::HardLink(path, target) if known.get(target) == Some(&'f') => (path.clone(), 'f'),
                _ => continue,
            };
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            if known.contains_key(&path) || known.get(parent) != Some(&'d') {
                continue;
            }
            known.insert(path, kind);
            plain.push(op);
        }
        let root = scratch();
        let archive = root.path().join("a.tar");
        std::fs::write(&archive, tar(&plain)).unwrap();
        let (ours, theirs) = (folder(root.path(), "ours"), folder(root.path(), "theirs"));
        let unpacked = standalone(&tar(&plain), &ours).unwrap();
        prop_assert_eq!(unpacked.self_contained, Ok(()));
        let mut gnu = Command::new("tar");
        gnu.args(["--numeric-owner", "--same-owner", "-pxf"]).arg(&archive).arg("-C").arg(&theirs);
        prop_assert!(gnu.status().unwrap().success());
        // GNU tar sets a folder's time when it leaves it first, though it may come back.
        let view = Look { folder_times: false, ..Look::default() };
        assert_same(("gnu", &look(&theirs, view)), ("isopod", &look(&ours, view)));
    }
}

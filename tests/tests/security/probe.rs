//! A small static C program that does what no applet does; it goes into images as `/bin/probe`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use isopod_tests::Outcome;

use crate::image::{Image, Layer};

/// Compiles it; libc's static archive is part of what the build needs.
pub fn program() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("probe.c"), folder.path().join("probe"));
    fs::write(&source, include_str!("probe.c")).unwrap();
    let compiled = Command::new("gcc")
        .args(["-static", "-O1", "-s", "-o"])
        .args([&program, &source])
        .output()
        .expect("gcc is installed");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    fs::read(program).unwrap()
}

pub fn layer() -> Layer {
    Layer::new().file("bin/probe", 0o755, program())
}

pub fn image() -> Image {
    Image::new().layer(layer())
}

/// What it printed, as `what answer` a line.
pub fn answers(outcome: &Outcome) -> BTreeMap<String, String> {
    let lines = outcome.succeeds().stdout.lines();
    let pair = |line: &str| {
        let (what, answer) = line.split_once(' ').unwrap_or((line, ""));
        (what.trim().to_owned(), answer.trim().to_owned())
    };
    lines.map(pair).collect()
}

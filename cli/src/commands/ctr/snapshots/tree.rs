//! `ctr snapshots tree`.

use isopod_runtime::snapshot::Snapshot;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Display a tree of the snapshots
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Verb for Args {
    const USAGE: &'static str = "";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let snapshots = context.runtime()?.snapshots().list()?;
        let mut text = String::new();
        let is_root = |snapshot: &&Snapshot| !snapshots.iter().any(|s| s.key == snapshot.parent);
        for root in snapshots.iter().filter(is_root) {
            draw(root, &snapshots, 0, &mut text);
        }
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}

fn draw(snapshot: &Snapshot, all: &[Snapshot], level: usize, text: &mut String) {
    text.push_str(&"  ".repeat(level));
    if level > 0 {
        text.push_str("\\_");
    }
    text.push(' ');
    text.push_str(&snapshot.key);
    text.push('\n');
    // A chain is as deep as an image has layers; one that names itself is no snapshot's parent.
    let is_child = |other: &&Snapshot| other.parent == snapshot.key && other.key != snapshot.key;
    for child in all.iter().filter(is_child) {
        draw(child, all, level + 1, text);
    }
}

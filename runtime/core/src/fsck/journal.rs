//! The journal: lines that are no entries. Readers pass over them, so that they do no harm but hide what they were.

use std::fs;
use std::io;

use isopod_monitor_protocol::journal::{self, Entry};
use isopod_sys::atomic::{self, Durability};

use super::finding::Findings;
use super::look::Look;
use super::{aside, kinds};
use crate::{Error, Result};

pub(super) fn check(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    let current = look.runtime.layout().journal();
    for path in [journal::rotated(&current), current] {
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(Error::io("cannot read", &path))?,
        };
        let bad = whole_lines(&bytes).filter(|line| !is_entry(line)).count();
        if bad == 0 {
            continue;
        }
        let detail = format!("{bad} of its lines can't be read");
        found.add(kinds::JOURNAL_DAMAGED, path.display().to_string(), detail).mend(
            move |runtime| {
                // Whoever appends meanwhile makes a new one, whose lines come behind.
                let bytes = fs::read(&path).map_err(Error::io("cannot read", &path))?;
                aside::put(runtime.layout(), "events", &path)?;
                let mut good: Vec<u8> = Vec::new();
                for line in whole_lines(&bytes).filter(|line| is_entry(line)) {
                    good.extend_from_slice(line);
                    good.push(b'\n');
                }
                good.extend(fs::read(&path).unwrap_or_default());
                atomic::write(&path, &good, 0o600, Durability::Process)
                    .map_err(Error::io("cannot write", &path))
            },
        );
    }
    Ok(())
}

/// Those that are ended: the last may be on its way.
fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    bytes[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn is_entry(line: &[u8]) -> bool {
    serde_json::from_slice::<Entry>(line).is_ok()
}

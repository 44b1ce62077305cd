//! Archives from a fuzzer's bytes: with right checksums, or every reader would stop at the first header.

use isopod_layer::tar::{Archive, Entry, Kind};

const BLOCK: usize = 512;

/// `data` with the checksum of every block that a reader would take for a header, two blocks of zeros behind.
pub fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut tar = data.to_vec();
    tar.resize(tar.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    let mut at = 0;
    while at + 2 * BLOCK < tar.len() {
        let header = &mut tar[at..at + BLOCK];
        at += BLOCK;
        if header.iter().all(|byte| *byte == 0) {
            continue;
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = header[124..136].iter().take_while(|byte| matches!(byte, b'0'..=b'7'));
        let size = digits.fold(0_usize, |size, digit| size << 3 | usize::from(digit - b'0'));
        if matches!(header[156], b'0' | 0 | b'7' | b'S' | b'x' | b'g' | b'L' | b'K') {
            at = at.saturating_add(size.next_multiple_of(BLOCK));
        }
    }
    tar
}

/// Whether GNU tar and a layer mean the same by an archive: names once each, below folders listed before them,
/// hard links to files listed before, symlinks to places inside. Beyond that they differ on purpose.
pub fn is_plain(tar: &[u8]) -> bool {
    let mut archive = Archive::new(tar, 64 << 10);
    let mut known = std::collections::BTreeMap::from([(Vec::new(), Kind::Folder)]);
    while let Ok(Some(entry)) = archive.next() {
        let Some(path) = normal(&entry.path) else { return false };
        let is_root = path.is_empty() && entry.kind == Kind::Folder;
        let parent = path.rsplitn(2, |byte| *byte == b'/').nth(1).unwrap_or_default();
        if known.get(parent) != Some(&Kind::Folder) || (known.contains_key(&path) && !is_root) {
            return false;
        }
        if !is_link_plain(&entry, &known) {
            return false;
        }
        let kind = if entry.kind == Kind::HardLink { Kind::File } else { entry.kind };
        known.insert(path, kind);
    }
    true
}

fn is_link_plain(entry: &Entry, known: &std::collections::BTreeMap<Vec<u8>, Kind>) -> bool {
    match entry.kind {
        Kind::HardLink => {
            normal(&entry.link).is_some_and(|link| known.get(&link) == Some(&Kind::File))
        }
        Kind::Symlink => {
            !entry.link.is_empty()
                && !entry.link.starts_with(b"/")
                && entry.link.split(|byte| *byte == b'/').all(|name| name != b"..")
        }
        // Who may not make devices can't be compared with.
        Kind::CharDevice | Kind::BlockDevice => false,
        Kind::File | Kind::Folder | Kind::Fifo => true,
    }
}

/// A path inside without dots and doubled slashes; `None` where it is absolute, goes up, or deletes.
fn normal(path: &[u8]) -> Option<Vec<u8>> {
    if path.starts_with(b"/") {
        return None;
    }
    let names = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    let names: Vec<&[u8]> = names.collect();
    let is_ours = |name: &&[u8]| *name == b".." || name.starts_with(b".wh.") || name.len() > 255;
    (!names.iter().any(is_ours)).then(|| names.join(&b'/'))
}

//! Folders for targets whose readers take paths: in memory, gone with the call.

use std::path::Path;

use tempfile::TempDir;

/// An empty folder.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

/// Parts of an input, which are separated by lines of `--`.
pub fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut rest = Some(data);
    std::array::from_fn(|nth| {
        let Some(bytes) = rest else { return &[][..] };
        let end = if nth + 1 < N { bytes.windows(4).position(|w| w == b"\n--\n") } else { None };
        match end {
            Some(end) => {
                rest = Some(&bytes[end + 4..]);
                &bytes[..end]
            }
            None => {
                rest = None;
                bytes
            }
        }
    })
}

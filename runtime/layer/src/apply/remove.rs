//! Removing what is in the way, without following a symlink or running out of descriptors.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Dir, FileType, unlinkat};
use rustix::io::Errno;

use super::chain::{Chain, open_folder};

/// Removes `name` from `folder`, with all below it if it is a folder. It need not exist.
///
/// Returns whether something was removed.
pub(super) fn remove(folder: BorrowedFd<'_>, name: &[u8]) -> Result<bool, Errno> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(Errno::ISDIR) => {
            let mut chain = Chain::new(open_folder(folder, name)?);
            empty(&mut chain)?;
            unlinkat(folder, name, AtFlags::REMOVEDIR)?;
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// Removes everything in the chain's last folder. Recursion ends where paths end: no
/// folder lies deeper than half of PATH_MAX.
fn empty(chain: &mut Chain) -> Result<(), Errno> {
    for (name, kind) in list(chain.top()?)? {
        if kind != FileType::Directory {
            match unlinkat(chain.top()?, &name, AtFlags::empty()) {
                // A file system that does not say what its entries are.
                Err(Errno::ISDIR) => {}
                other => {
                    other?;
                    continue;
                }
            }
        }
        chain.push(&name, None);
        empty(chain)?;
        chain.pop();
        unlinkat(chain.top()?, &name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

/// The names in a folder, without `.` and `..`.
pub(super) fn list(folder: BorrowedFd<'_>) -> Result<Vec<(Vec<u8>, FileType)>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push((name.to_vec(), entry.file_type()));
        }
    }
    Ok(names)
}

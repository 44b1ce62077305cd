//! What one layer may cost (security.md, row 19).

use crate::tar::DEFAULT_HEADER_LIMIT;

/// Bounds on what one layer may make of this machine; beyond any of them it is an error.
///
/// The default suits an image nobody vouched for on a machine with some tens of
/// gigabytes free; a caller who knows the free space or a quota lowers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of content written to files, holes not counted.
    pub disk_bytes: u64,
    /// Bytes of the archive after decompression, whether written or not.
    pub tar_bytes: u64,
    /// Entries in the archive.
    pub entries: u64,
    /// Length of one file as it will be read, holes counted.
    pub file_length: u64,
    /// Bytes of one extended header or long name.
    pub header_bytes: u64,
    /// Bytes of one entry's extended attributes, names and values together.
    pub xattr_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            disk_bytes: 64 << 30,
            tar_bytes: 80 << 30,
            entries: 4_000_000,
            // ext4's own limit with blocks of 4 KiB.
            file_length: 16 << 40,
            header_bytes: DEFAULT_HEADER_LIMIT,
            // The kernel's XATTR_LIST_MAX and XATTR_SIZE_MAX are this much each.
            xattr_bytes: 128 << 10,
        }
    }
}

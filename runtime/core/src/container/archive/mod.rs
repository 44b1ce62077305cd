//! Files into a container, out of it, and all of it: `cp` and `export`.
//!
//! Nothing of a container is executed or loaded for it, and its file system is never entered: it is a
//! [`Root`](isopod_sys::root::Root) whose paths can't leave it (security.md, rows 5 and 14).
//!
//! - `filesystem` opens it, of a running or a stopped container
//! - `pack` writes what lies in a folder as a tar archive, `unpack` makes an archive's entries in one
//! - `owners` translates who a file belongs to
//! - `place` is docker's table of what lands where
//! - `copy` and `export` are the verbs

mod copy;
mod export;
mod filesystem;
mod owners;
mod pack;
mod place;
mod unpack;

pub use copy::{Copied, CopyOptions};

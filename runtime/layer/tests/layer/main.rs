//! Layers end to end: through the public interface, on a real file system.

#![allow(clippy::unwrap_used, reason = "tests")]

mod archive;
mod compressed;
mod hostile;
mod image;
mod limits;
mod look;
mod overlay;
mod parsing;
mod peers;
mod random;
mod scratch;

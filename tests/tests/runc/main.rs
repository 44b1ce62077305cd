//! The OCI runtime command line (docs/runc.md), beside Debian's runc wherever both can be asked the same.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

mod bundle;
mod confined;
mod engines;
mod hooks;
mod life;
mod processes;

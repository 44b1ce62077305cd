//! How many descriptors the monitor may have. Where it holds ports or answers for names it needs more
//! than the customary 1,024, and takes all that its caller may give; nothing that it starts gets more
//! than the caller had.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

static INHERITED: OnceLock<Rlimit> = OnceLock::new();

/// Raises the limit as far as it goes. If that is refused, fewer descriptors have to do.
pub fn raise() {
    let inherited = INHERITED.get_or_init(|| getrlimit(Resource::Nofile));
    let most = Rlimit { current: inherited.maximum, maximum: inherited.maximum };
    setrlimit(Resource::Nofile, most).ok();
}

/// Goes back to what the caller had, in a forked child; lowering is always allowed.
pub fn restore() {
    if let Some(inherited) = INHERITED.get() {
        setrlimit(Resource::Nofile, *inherited).ok();
    }
}

//! Waiting for what takes a moment.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a machine that is emulated on a busy one; what works waits for none of it.
const DEADLINE: Duration = Duration::from_secs(60);

/// Tries until `test` holds; fails the test if it never does.
#[track_caller]
pub fn until(what: &str, mut test: impl FnMut() -> bool) {
    let since = Instant::now();
    while !test() {
        assert!(since.elapsed() < DEADLINE, "{what} did not come");
        thread::sleep(Duration::from_millis(10));
    }
}

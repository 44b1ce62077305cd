//! Specifications executed by a real kernel, under libcontainer (which this project uses)
//! and under runc (which many others use), with one expectation for both.
//!
//! A program of its own rather than a test harness's: libcontainer clones without exec and
//! must be called from a process without threads, so this program starts itself again as
//! `launch` for each container.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

mod cases;
mod launch;
mod rig;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, bundle, state, id] = &arguments[..]
        && mode == "launch"
    {
        return launch::run(bundle.as_ref(), state.as_ref(), id);
    }
    // As test runners ask: no case is ignored, so that list is empty.
    if arguments.iter().any(|argument| argument == "--list") {
        if !arguments.iter().any(|argument| argument == "--ignored") {
            cases::ALL.iter().for_each(|(name, _)| println!("{name}: test"));
        }
        return ExitCode::SUCCESS;
    }
    let filters: Vec<_> = arguments.iter().filter(|a| !a.starts_with("--")).collect();
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let wanted = |name: &str| {
        let fits = |filter: &&String| if exact { name == *filter } else { name.contains(*filter) };
        filters.is_empty() || filters.iter().any(fits)
    };
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in cases::ALL.iter().filter(|(name, _)| wanted(name)) {
        let result = catch_unwind(AssertUnwindSafe(case));
        println!("test {name} ... {}", if result.is_ok() { "ok" } else { "FAILED" });
        passed += usize::from(result.is_ok());
        failed += usize::from(result.is_err());
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let left_out = cases::ALL.len() - passed - failed;
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {left_out} filtered out"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

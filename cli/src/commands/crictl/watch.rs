//! `--watch`: the same again and again, on a cleared screen where there is one.

use std::io::IsTerminal as _;
use std::time::Duration;

use crate::context::Context;
use crate::error::Error;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Clears a terminal and goes to its first line.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Prints what `look` says once, or until it fails or somebody ends it.
///
/// # Errors
/// The look's; standard output.
pub fn watch(
    context: &Context,
    again: bool,
    mut look: impl FnMut() -> Result<String, Error>,
) -> Result<(), Error> {
    loop {
        let mut text = look()?;
        if again && std::io::stdout().is_terminal() {
            text.insert_str(0, CLEAR);
        }
        context.printer.data(text.as_bytes())?;
        if !again {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

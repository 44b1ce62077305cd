//! Saying what became of many containers.

use isopod_runtime::container::Outcome;

use crate::commands::Status;
use crate::context::Context;
use crate::error::Error;

/// Prints the names of those it was done to, and reports the others. Names of other namespaces than the
/// chosen one carry theirs before them.
///
/// # Errors
/// Output can't be written.
pub fn print(context: &Context, outcomes: Vec<Outcome>) -> Result<Status, Error> {
    let mut status = 0;
    for outcome in outcomes {
        match outcome.result {
            Ok(()) if outcome.namespace == context.namespace => {
                context.printer.line(outcome.name)?;
            }
            Ok(()) => {
                context.printer.line(format_args!("{}/{}", outcome.namespace, outcome.name))?
            }
            Err(error) => {
                context.report(&Error::from(error));
                status = 1;
            }
        }
    }
    Ok(status)
}

//! What `inspect` of every noun shares: several objects in one JSON array, or a template each.

use serde_json::Value as Json;

use crate::commands::Status;
use crate::context::Context;
use crate::error::Error;
use crate::output::json;
use crate::output::template::Format;

/// Prints what is found; what is not is reported, and the status says so.
///
/// # Errors
/// A template that can't be parsed or applied; output that can't be written.
pub fn print(
    context: &Context,
    format: Option<&str>,
    names: &[String],
    mut find: impl FnMut(&str) -> Result<Json, Error>,
) -> Result<Status, Error> {
    let template = match format {
        None | Some("" | "json") => None,
        Some(format) => Some(Format::parse(format)?),
    };
    let mut found = Vec::new();
    let status = context.each(names, |name| {
        found.push(find(name)?);
        Ok(())
    })?;
    match template {
        None if format == Some("json") => context.printer.line(json::line(&found)?)?,
        None => context.printer.line(json::indented(&found)?)?,
        Some(template) => {
            for value in &found {
                context.printer.line(template.render(value)?)?;
            }
        }
    }
    Ok(status)
}

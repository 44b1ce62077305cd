//! JSON as the originals print it.

use serde::Serialize;

/// Indented by four spaces (docker's `inspect`, ctr's `info`).
///
/// # Errors
/// The value has a map whose keys are no strings, which no view of ours has.
pub fn indented(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, format))?;
    Ok(String::from_utf8(bytes).expect("serde_json writes UTF-8"))
}

/// On one line.
///
/// # Errors
/// As [`indented`].
pub fn line(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}

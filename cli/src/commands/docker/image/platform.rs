//! The platform a command is about.

use isopod_image::Platform;

use crate::error::Error;

/// `--platform`, or this machine's.
///
/// # Errors
/// It names none.
pub fn parse(text: Option<&str>) -> Result<Platform, Error> {
    match text {
        Some(text) => text.parse().map_err(Error::argument),
        None => Ok(Platform::host()),
    }
}

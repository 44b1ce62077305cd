//! Ids of containers, which are names of folders.

use crate::error::{Error, Result};

/// Checks an id: letters, digits, `_`, `+`, `-` and `.`, and not the names that every folder has.
///
/// # Errors
/// [`Error::Id`].
pub fn check(id: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    let named = !matches!(id, "" | "." | "..");
    if named && id.len() <= 255 && id.bytes().all(fits) { Ok(()) } else { Err(Error::Id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_plain_file_name() {
        for good in ["a", "A_b+c-d.e", "...", "0".repeat(64).as_str()] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "ä", "a\0", "a".repeat(256).as_str()] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}

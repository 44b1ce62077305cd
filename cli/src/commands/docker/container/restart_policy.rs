//! `--restart` in docker's words.

use isopod_runtime::container::Restart;

use crate::error::Error;

/// `no`, `always`, `unless-stopped`, `on-failure[:MAX]`; no word at all means `no`.
///
/// # Errors
/// No such policy, or a number that is none.
pub fn parse(text: &str) -> Result<Restart, Error> {
    let error = |reason: &str| Error::Value {
        what: "--restart",
        value: text.to_owned(),
        reason: reason.to_owned(),
    };
    let (policy, max) = match text.split_once(':') {
        Some((policy, max)) => (policy, Some(max)),
        None => (text, None),
    };
    match (policy, max) {
        ("" | "no", None) => Ok(Restart::No),
        ("always", None) => Ok(Restart::Always),
        ("unless-stopped", None) => Ok(Restart::UnlessStopped),
        ("on-failure", None) => Ok(Restart::OnFailure { max: None }),
        ("on-failure", Some(max)) => match max.parse::<u32>() {
            // docker keeps 0 for any number.
            Ok(0) => Ok(Restart::OnFailure { max: None }),
            Ok(max) => Ok(Restart::OnFailure { max: Some(max) }),
            Err(_) => Err(error("the number of attempts is no number")),
        },
        ("no" | "always" | "unless-stopped", Some(_)) => {
            Err(error("only on-failure has a number of attempts"))
        }
        _ => Err(error("policies are no, on-failure[:MAX], always and unless-stopped")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_dockers() {
        for (text, policy) in [
            ("no", Restart::No),
            ("", Restart::No),
            ("always", Restart::Always),
            ("unless-stopped", Restart::UnlessStopped),
            ("on-failure", Restart::OnFailure { max: None }),
            ("on-failure:0", Restart::OnFailure { max: None }),
            ("on-failure:5", Restart::OnFailure { max: Some(5) }),
        ] {
            assert_eq!(parse(text).unwrap(), policy, "{text}");
        }
        for wrong in ["never", "always:3", "on-failure:many", "on-failure:-1"] {
            assert!(parse(wrong).unwrap_err().to_string().contains(wrong), "{wrong}");
        }
    }
}

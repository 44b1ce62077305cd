//! `--security-opt` in docker's grammar.

use std::path::Path;

use isopod_runtime::container::{AppArmor, Seccomp, Settings};

use crate::error::Error;

/// Applies `KEY[=VALUE]` each (or `KEY:VALUE`, its older form).
///
/// # Errors
/// An option that is not known, or a profile that can't be read.
pub fn apply(options: &[String], settings: &mut Settings) -> Result<(), Error> {
    options.iter().try_for_each(|option| one(option, settings))
}

fn one(option: &str, settings: &mut Settings) -> Result<(), Error> {
    let error = |reason: &str| Error::Value {
        what: "--security-opt",
        value: option.to_owned(),
        reason: reason.to_owned(),
    };
    let (key, value) = match option.split_once('=').or_else(|| option.split_once(':')) {
        Some((key, value)) => (key, Some(value)),
        None => (option, None),
    };
    match (key, value) {
        ("no-new-privileges", None | Some("true")) => settings.no_new_privileges = true,
        ("no-new-privileges", Some("false")) => settings.no_new_privileges = false,
        ("seccomp", Some("unconfined")) => settings.seccomp = Seccomp::Unconfined,
        ("seccomp", Some("builtin")) => settings.seccomp = Seccomp::Default,
        ("seccomp", Some(path)) => {
            let path = Path::new(path);
            let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
            settings.seccomp = Seccomp::Profile(text);
        }
        ("apparmor", Some("unconfined")) => settings.apparmor = AppArmor::Unconfined,
        ("apparmor", Some(name)) => settings.apparmor = AppArmor::Named(name.to_owned()),
        ("systempaths", Some("unconfined")) => settings.unconfined_paths = true,
        ("label", _) => return Err(error("SELinux labels are not supported yet")),
        ("writable-cgroups", _) => return Err(error("writable cgroups are not supported yet")),
        _ => {
            return Err(error(
                "options are no-new-privileges, seccomp=, apparmor= and systempaths=unconfined",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_both_forms() {
        let folder = tempfile::tempdir().unwrap();
        let profile = folder.path().join("profile.json");
        std::fs::write(&profile, "{}").unwrap();
        let mut settings = Settings::default();
        let options = [
            "no-new-privileges".to_owned(),
            format!("seccomp={}", profile.display()),
            "apparmor:mine".to_owned(),
            "systempaths=unconfined".to_owned(),
        ];
        apply(&options, &mut settings).unwrap();
        assert!(settings.no_new_privileges && settings.unconfined_paths);
        assert_eq!(settings.seccomp, Seccomp::Profile("{}".into()));
        assert_eq!(settings.apparmor, AppArmor::Named("mine".into()));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for option in ["label=disable", "no-new-privileges=perhaps", "seccomp", "x=y"] {
            let error = apply(&[option.to_owned()], &mut Settings::default()).unwrap_err();
            assert!(error.to_string().contains(option), "{error}");
        }
        let missing = apply(&["seccomp=/no/such/file".to_owned()], &mut Settings::default());
        assert!(matches!(missing, Err(Error::File { .. })));
    }
}

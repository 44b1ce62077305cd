//! Variables and labels from command lines and files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::env;
use crate::error::Error;

/// `--env-file` and then `--env`: `NAME=VALUE`, or `NAME` for what it is here.
///
/// A name that is not set here stays a bare name, which takes the image's variable away.
///
/// # Errors
/// A file that can't be read, or a line without a name.
pub fn variables(files: &[PathBuf], given: &[String]) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    for file in files {
        for line in lines(file)? {
            check(file, &line)?;
            all.push(resolved(&line));
        }
    }
    all.extend(given.iter().map(|entry| resolved(entry)));
    Ok(all)
}

/// Variables of files as they are written: a bare name takes the image's variable away.
///
/// # Errors
/// A file that can't be read, or a line without a name.
pub fn from_files(files: &[PathBuf]) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    for file in files {
        for line in lines(file)? {
            check(file, &line)?;
            all.push(line);
        }
    }
    Ok(all)
}

/// `--label-file` and then `--label`: `KEY=VALUE`, or `KEY` for an empty value.
///
/// # Errors
/// A file that can't be read, or a label without a key.
pub fn labels(files: &[PathBuf], given: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let mut all = BTreeMap::new();
    let mut add = |entry: &str| {
        let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
        if key.is_empty() {
            return Err(Error::Value {
                what: "--label",
                value: entry.to_owned(),
                reason: "it has no key".to_owned(),
            });
        }
        all.insert(key.to_owned(), value.to_owned());
        Ok(())
    };
    for file in files {
        for line in lines(file)? {
            add(&line)?;
        }
    }
    given.iter().try_for_each(|entry| add(entry))?;
    Ok(all)
}

/// `KEY=VALUE` each, with a value.
///
/// # Errors
/// One has no `=` or no key.
pub fn pairs(what: &'static str, given: &[String]) -> Result<BTreeMap<String, String>, Error> {
    given
        .iter()
        .map(|entry| match entry.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(Error::Value {
                what,
                value: entry.clone(),
                reason: "give KEY=VALUE".to_owned(),
            }),
        })
        .collect()
}

fn resolved(entry: &str) -> String {
    if entry.contains('=') {
        return entry.to_owned();
    }
    match env::passed_through(entry) {
        Some(value) => format!("{entry}={}", value.to_string_lossy()),
        None => entry.to_owned(),
    }
}

/// Lines that are neither empty nor comments, without the white space before them.
fn lines(path: &Path) -> Result<Vec<String>, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = text.lines().map(str::trim_start);
    Ok(lines.filter(|l| !l.is_empty() && !l.starts_with('#')).map(ToOwned::to_owned).collect())
}

/// docker's rule for names in files.
fn check(file: &Path, line: &str) -> Result<(), Error> {
    let name = line.split('=').next().unwrap_or_default();
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(Error::Value {
            what: "line of --env-file",
            value: line.to_owned(),
            reason: format!(
                "{} needs NAME=VALUE or NAME, without spaces in the name",
                file.display()
            ),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_first_and_comments_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("env");
        std::fs::write(&file, "# comment\n\n  A=1\nB=two words\nISOPOD_SURELY_UNSET\n").unwrap();
        let all = variables(&[file], &["A=2".into(), "PATH".into()]).unwrap();
        assert_eq!(all[..3], ["A=1", "B=two words", "ISOPOD_SURELY_UNSET"]);
        assert_eq!(all[3], "A=2");
        assert!(all[4].starts_with("PATH=/"), "{}", all[4]);
    }

    #[test]
    fn a_name_with_a_space_is_refused_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("env");
        std::fs::write(&file, "A B=1\n").unwrap();
        let error = variables(std::slice::from_ref(&file), &[]).unwrap_err();
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
        assert!(variables(&[folder.path().join("none")], &[]).is_err());
    }

    #[test]
    fn labels_may_lack_a_value_and_never_a_key() {
        let all = labels(&[], &["a=1".into(), "b".into(), "a=2".into()]).unwrap();
        assert_eq!(all, [("a", "2"), ("b", "")].map(|(k, v)| (k.into(), v.into())).into());
        assert!(labels(&[], &["=x".into()]).is_err());
        assert!(pairs("--annotation", &["x".into()]).is_err());
    }
}

//! `config`: options of crictl's configuration file.

use std::io::{self, Write as _};
use std::path::Path;

use super::settings::{self, OPTIONS, SettingsFile, edited};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{DOCKER_WIDE, Table};

/// Show or set options of the configuration file
///
/// The options are runtime-endpoint, image-endpoint, timeout (in seconds), debug, pull-image-on-create,
/// disable-pull-on-run and max-retries.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show an option's value
    #[arg(long, value_name = "OPTION", conflicts_with_all = ["set", "list", "option"])]
    get: Option<String>,
    /// Set options (may be given several times)
    #[arg(long, value_name = "OPTION=VALUE[,OPTION=VALUE...]", conflicts_with_all = ["list", "option"])]
    set: Vec<String>,
    /// Show every option's value
    #[arg(long, conflicts_with = "option")]
    list: bool,
    /// An option to set
    #[arg(value_name = "OPTION", requires = "value")]
    option: Option<String>,
    /// Its value
    #[arg(value_name = "VALUE")]
    value: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[--get OPTION | --set OPTION=VALUE | --list | OPTION VALUE]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let (path, _) = settings::path(context);
        if let Some(option) = self.get {
            let value = SettingsFile::read_if_there(&path)?.get(&option);
            let value = value.ok_or_else(|| unknown(&option))?;
            context.printer.line(value)?;
            return Ok(0);
        }
        if self.list {
            let file = SettingsFile::read_if_there(&path)?;
            let mut table = Table::new(DOCKER_WIDE, &["KEY", "VALUE"]);
            for option in OPTIONS {
                table.row([option.to_owned(), file.get(option).unwrap_or_default()]);
            }
            context.printer.data(table.render().as_bytes())?;
            return Ok(0);
        }
        let mut pairs = Vec::new();
        for text in self.set.iter().flat_map(|text| text.split(',')) {
            let pair = text.split_once('=').ok_or_else(|| Error::Value {
                what: "--set",
                value: text.to_owned(),
                reason: "it is not of the form option=value".to_owned(),
            })?;
            pairs.push(pair);
        }
        pairs.extend(self.option.as_deref().zip(self.value.as_deref()));
        if pairs.is_empty() {
            return Err(Error::Argument(
                "nothing to do: give --get, --set, --list, or an option and its value".to_owned(),
            ));
        }
        set(&path, &pairs)?;
        Ok(0)
    }
}

/// Sets options, all or none; everything else in the file stays as it is.
fn set(path: &Path, pairs: &[(&str, &str)]) -> Result<(), Error> {
    let mut file = SettingsFile::read_if_there(path)?;
    let mut text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    for (option, value) in pairs {
        file.set(option, value).map_err(Error::Argument)?;
        text = edited(&text, option, value);
    }
    write(path, &text).map_err(Error::file("write", path))
}

/// Whoever reads meanwhile sees the old file or the new one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    // What a link leads to is changed, not the link.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(name);
    let written = std::fs::File::create(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        if let Ok(old) = std::fs::metadata(&path) {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()
    });
    let renamed = written.and_then(|()| std::fs::rename(&beside, &path));
    if renamed.is_err() {
        std::fs::remove_file(&beside).ok();
    }
    renamed
}

fn unknown(option: &str) -> Error {
    Error::Argument(format!("{option:?} is no option: there are {}", OPTIONS.join(", ")))
}

//! The one systemd unit: a boot starts what restart policies want, a shutdown stops everything in order.
//!
//! It is no service that would have to run: `start-all` and `stop-all` come and go.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::context::Context;
use crate::error::Error;

const NAME: &str = "isopod.service";
const FOLDER: &str = "etc/systemd/system";
/// There while systemd is the machine's first process (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// Where `enable` and `disable` find it.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Root of another tree to work on, as of a machine's image
    #[arg(long, value_name = "FOLDER", conflicts_with = "now")]
    prefix: Option<PathBuf>,
}

/// The unit below a folder that is the root of the machine, or of an image of one.
pub struct Unit {
    prefix: PathBuf,
    is_this_machine: bool,
}

impl Unit {
    /// Of this machine, or of the tree that is named.
    ///
    /// # Errors
    /// This machine isn't run by systemd.
    pub fn of(Place { prefix }: Place) -> Result<Self, Error> {
        let is_this_machine = prefix.is_none();
        if is_this_machine && !Path::new(BOOTED).is_dir() {
            return Err(Error::Argument(
                "systemd does not run this machine: have whatever does call `isopod system start-all` \
                 at boot and `isopod system stop-all` at shutdown, or write the unit into another tree \
                 with --prefix"
                    .to_owned(),
            ));
        }
        Ok(Self { prefix: prefix.unwrap_or_else(|| PathBuf::from("/")), is_this_machine })
    }

    fn path(&self) -> PathBuf {
        self.prefix.join(FOLDER).join(NAME)
    }

    fn link(&self) -> PathBuf {
        self.prefix.join(FOLDER).join("multi-user.target.wants").join(NAME)
    }

    /// Writes it, and has it started at boot.
    ///
    /// # Errors
    /// Files can't be written; another instance has the unit; systemd refuses.
    pub fn enable(&self, context: &Context) -> Result<(), Error> {
        let path = self.path();
        let text = text(context)?;
        if let Some(other) = read(&path)?.filter(|other| *other != text) {
            let commands = |text: &str| {
                let of = |line: &&str| line.starts_with("ExecStart=");
                text.lines().find(of).map(instance).unwrap_or_default()
            };
            if commands(&other) != commands(&text) {
                return Err(Error::Argument(format!(
                    "{} belongs to another instance: disable that one first",
                    path.display()
                )));
            }
        }
        let link = self.link();
        for folder in [path.parent(), link.parent()].into_iter().flatten() {
            fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
        }
        isopod_sys::atomic::write(
            &path,
            text.as_bytes(),
            0o644,
            isopod_sys::atomic::Durability::Power,
        )
        .map_err(Error::file("write", &path))?;
        match symlink(Path::new("..").join(NAME), &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::file("make", &link)(error));
            }
            _ => {}
        }
        self.tell(&["daemon-reload"])
    }

    /// Removes it.
    ///
    /// # Errors
    /// Files can't be removed; systemd refuses.
    pub fn disable(&self) -> Result<(), Error> {
        for path in [self.link(), self.path()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::file("remove", &path)(error));
                }
                _ => {}
            }
        }
        self.tell(&["daemon-reload"])
    }

    /// Starts or stops it now.
    ///
    /// # Errors
    /// systemd refuses, or it is no unit of this machine.
    pub fn now(&self, verb: &str) -> Result<(), Error> {
        if !self.is_this_machine {
            return Err(Error::Argument("--now is for this machine, not for --prefix".to_owned()));
        }
        self.tell(&[verb, NAME])
    }

    fn tell(&self, words: &[&str]) -> Result<(), Error> {
        if !self.is_this_machine {
            return Ok(());
        }
        let program = Path::new("systemctl");
        let output =
            Command::new(program).args(words).output().map_err(Error::file("start", program))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().last().unwrap_or("it did not say why").trim().to_owned();
        Err(Error::Argument(format!("systemctl {} failed: {line}", words.join(" "))))
    }
}

/// What tells instances apart in a line of the unit: everything after the program.
fn instance(line: &str) -> String {
    line.split_once(" \"--root\"").map(|(_, rest)| rest.to_owned()).unwrap_or_default()
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

/// The unit's text, which names the instance in full.
fn text(context: &Context) -> Result<String, Error> {
    let program: Vec<String> = context.program()?.iter().map(|word| quoted(word)).collect();
    let program = program.join(" ");
    Ok(format!(
        "[Unit]\n\
         Description=Containers of Isopod with a restart policy\n\
         Wants=network-online.target\n\
         After=network-online.target local-fs.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart={program} system start-all\n\
         ExecStop={program} system stop-all\n\
         # Starting may have to wait for disks, and stopping for each container's own patience.\n\
         TimeoutStartSec=infinity\n\
         TimeoutStopSec=5min\n\
         # Containers are in control groups of their own; what is left in the unit's is none of them.\n\
         KillMode=process\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    ))
}

/// A word of a command line as systemd.service(5) has it quoted; `%` and `$` would be replaced.
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '%' => text.push_str("%%"),
            '$' => text.push_str("$$"),
            c => text.push(c),
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_program_as_they_are() {
        assert_eq!(quoted("/a b"), "\"/a b\"");
        assert_eq!(quoted("a\"b\\c%d$e"), "\"a\\\"b\\\\c%%d$$e\"");
    }
}

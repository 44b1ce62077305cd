//! `cp`: files between a container and the host.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use isopod_runtime::container::{Container, Copied, CopyOptions};

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::units;

/// Copy files between a container and the host
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep users and groups (else root's in a container, one's own on the host), and rights on the host
    #[arg(short, long)]
    archive: bool,
    /// Copy what a symbolic link as the source leads to
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Don't say what was copied
    #[arg(short, long)]
    quiet: bool,
    /// Where from; - reads a tar archive from standard input
    #[arg(value_name = "SOURCE", allow_hyphen_values = true)]
    source: String,
    /// Where to; - writes a tar archive to standard output
    #[arg(value_name = "DESTINATION", allow_hyphen_values = true)]
    destination: String,
}

impl Verb for Args {
    const USAGE: &'static str =
        "[OPTIONS] CONTAINER:SRC_PATH|SRC_PATH|- DEST_PATH|-|CONTAINER:DEST_PATH";

    fn run(self, context: &Context) -> Result<Status, Error> {
        match (End::parse(&self.source), End::parse(&self.destination)) {
            (End::Container(name, path), End::Host(to)) => {
                let container = context.containers()?.find(name)?;
                self.outward(context, &container, path, to)
            }
            (End::Host(from), End::Container(name, path)) => {
                let container = context.containers()?.find(name)?;
                self.inward(context, &container, from, path)
            }
            (End::Container(..), End::Container(..)) => Err(context.wrong_words(
                "cp",
                "copying between containers is not supported: copy to the host first, or pipe \
                 `cp CONTAINER:PATH -` into `cp - CONTAINER:PATH`",
            )),
            (End::Host(_), End::Host(_)) => Err(context.wrong_words(
                "cp",
                "one of the two paths must be in a container, as in CONTAINER:PATH",
            )),
        }
    }
}

impl Args {
    fn options(&self) -> CopyOptions {
        CopyOptions { archive: self.archive, follow_link: self.follow_link }
    }

    fn outward(
        &self,
        context: &Context,
        container: &Container<'_>,
        from: &str,
        to: &str,
    ) -> Result<Status, Error> {
        let from = Path::new(from);
        if to == "-" {
            let mut out = io::BufWriter::new(io::stdout().lock());
            container.read_archive(from, self.follow_link, &mut out).map_err(Error::archive)?;
            return Ok(0);
        }
        let copied = container.copy_from(from, &absolute(to)?, self.options())?;
        self.tell(context, &copied, to);
        Ok(0)
    }

    fn inward(
        &self,
        context: &Context,
        container: &Container<'_>,
        from: &str,
        to: &str,
    ) -> Result<Status, Error> {
        let path = Path::new(to);
        if from == "-" {
            container.write_archive(path, &mut io::stdin().lock())?;
            return Ok(0);
        }
        let copied = container.copy_to(&absolute(from)?, path, self.options())?;
        self.tell(context, &copied, &format!("{}:{to}", container.name()));
        Ok(0)
    }

    fn tell(&self, context: &Context, copied: &Copied, to: &str) {
        if !self.quiet {
            let size = units::decimal(copied.bytes);
            context.printer.note(format_args!("Successfully copied {size} to {to}"));
        }
        let left_out = &copied.left_out;
        if !left_out.is_empty() {
            context.printer.warn(format_args!(
                "left out {} devices, which --archive copies: {}",
                left_out.len(),
                left_out.join(", ")
            ));
        }
    }
}

/// One of the two paths.
#[derive(Debug, PartialEq, Eq)]
enum End<'a> {
    Container(&'a str, &'a str),
    Host(&'a str),
}

impl<'a> End<'a> {
    /// docker's rule: a colon ends a container's name, unless what is before it looks like a path.
    fn parse(text: &'a str) -> Self {
        match text.split_once(':') {
            Some((name, path)) if !text.starts_with(['/', '.']) && !name.is_empty() => {
                Self::Container(name, path)
            }
            _ => Self::Host(text),
        }
    }
}

/// From the working folder, with what the end says (`/`, `/.`) left as it is.
fn absolute(path: &str) -> Result<PathBuf, Error> {
    if path.starts_with('/') {
        return Ok(PathBuf::from(path));
    }
    let here = std::env::current_dir().map_err(Error::file("use", Path::new(".")))?;
    let mut whole = OsString::from(here);
    whole.push("/");
    whole.push(path);
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_ends_a_containers_name_unless_it_is_in_a_path() {
        assert_eq!(End::parse("c:/x"), End::Container("c", "/x"));
        assert_eq!(End::parse("c:"), End::Container("c", ""));
        assert_eq!(End::parse("c:a:b"), End::Container("c", "a:b"));
        for path in ["x", "-", "./c:x", "/c:x", "../c:x", ":x"] {
            assert_eq!(End::parse(path), End::Host(path));
        }
    }
}

//! `create`, and what `run` shares with it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use isopod_runtime::container::{Container, CreateOptions, Network, Settings};

use super::options::Options;
use super::{image_source, logging, settings};
use crate::commands::{Status, Verb, environment};
use crate::context::Context;
use crate::error::Error;

/// Make a container without starting it
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    /// Image, and the command to run in it
    #[arg(value_name = "IMAGE", required = true, num_args = 1.., trailing_var_arg = true, hide = true)]
    command_line: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] IMAGE [COMMAND] [ARG...]";

    fn run(mut self, context: &Context) -> Result<Status, Error> {
        self.options.forget_empty();
        let (image, command) = split(&self.command_line);
        let mut settings = settings::settings(&self.options, command)?;
        // As docker's: whoever feeds it first (`start -ai`) also ends it.
        settings.stdin_once =
            settings::streams(&self.options.attach, self.options.interactive)?.stdin;
        let container = create(context, &self.options, image, settings)?;
        context.printer.line(container.id())?;
        Ok(0)
    }
}

/// The image, and what follows it.
///
/// # Panics
/// Never: clap lets no empty list pass.
pub fn split(command_line: &[String]) -> (&str, &[String]) {
    let (image, command) = command_line.split_first().expect("clap requires the image");
    (image, command)
}

/// Creates the container that `options` describe, and writes its id where they say.
///
/// # Errors
/// Whatever was asked for that can't be; nothing is left behind.
pub fn create<'a>(
    context: &'a Context,
    options: &Options,
    image: &str,
    settings: Settings,
) -> Result<Container<'a>, Error> {
    warn_of_ports(context, &settings);
    warn_of_memory(context, &settings);
    let log = logging::parse(options.log_driver.as_deref(), &options.log_opt)?;
    let labels = environment::labels(&options.label_file, &options.label)?;
    let id_file = options.cidfile.as_deref().map(IdFile::new).transpose()?;
    let source = image_source::obtain(
        context,
        image,
        options.platform.as_deref(),
        &options.pull,
        options.quiet,
    )?;
    let settings = image_source::obtain_mounted(context, options, settings)?;
    let container = context.containers()?.create(CreateOptions {
        id: None,
        name: options.name.clone(),
        generate_name: true,
        source,
        labels,
        settings,
        log,
        asked: Some(image.to_owned()),
        auto_remove: options.rm,
    })?;
    if let Some(file) = id_file {
        file.write(container.id())?;
    }
    Ok(container)
}

/// As docker does: the container is wanted all the same.
fn warn_of_ports(context: &Context, settings: &Settings) {
    if settings.network == Network::Host && (!settings.publish.is_empty() || settings.publish_all) {
        context.printer.warn("published ports are discarded when using host network mode");
    }
}

/// As docker does: nothing but the container's own limit would keep it from taking all that there is.
fn warn_of_memory(context: &Context, settings: &Settings) {
    if settings.resources.oom_kill_disable && settings.resources.memory.is_none() {
        context.printer.warn(
            "without a limit (--memory) a container whose out-of-memory killer is disabled can take \
             all memory of the system",
        );
    }
}

/// A file that is to hold a container's id. Made before the container is, so that one that can't be made leaves no
/// container, as docker does; gone again if there is no id.
struct IdFile<'p> {
    path: &'p Path,
    file: File,
    is_written: bool,
}

impl<'p> IdFile<'p> {
    fn new(path: &'p Path) -> Result<Self, Error> {
        match File::create_new(path) {
            Ok(file) => Ok(Self { path, file, is_written: false }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::Value {
                what: "--cidfile",
                value: path.display().to_string(),
                reason: "the file exists: remove it, or the container whose id it holds".to_owned(),
            }),
            Err(error) => Err(Error::file("create", path)(error)),
        }
    }

    fn write(mut self, id: &str) -> Result<(), Error> {
        self.file.write_all(id.as_bytes()).map_err(Error::file("write", self.path))?;
        self.is_written = true;
        Ok(())
    }
}

impl Drop for IdFile<'_> {
    fn drop(&mut self) {
        if !self.is_written {
            fs::remove_file(self.path).ok();
        }
    }
}

//! The image that a container is made from, pulled where that is wanted.

use isopod_image::Platform;
use isopod_runtime::ErrorKind;
use isopod_runtime::container::{ImageSource, Mount, Settings};
use isopod_runtime::image::Image;

use super::options::Options;
use crate::commands::docker::image::platform;
use crate::context::Context;
use crate::error::Error;
use crate::progress::{Style, Watcher};
use crate::registry;

/// When to ask the registry (docker's `--pull`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Missing,
    Never,
}

/// Finds or pulls `name`.
///
/// # Errors
/// It is not there and not to be pulled, or the pull fails.
pub fn obtain(
    context: &Context,
    name: &str,
    platform: Option<&str>,
    pull: &str,
    quiet: bool,
) -> Result<ImageSource, Error> {
    let when = match pull {
        "always" => When::Always,
        "missing" => When::Missing,
        "never" => When::Never,
        _ => {
            return Err(Error::Value {
                what: "--pull",
                value: pull.to_owned(),
                reason: "give always, missing or never".to_owned(),
            });
        }
    };
    let wanted = platform;
    let platform = platform::parse(platform)?;
    let image = match when {
        When::Always => fetch(context, name, &platform, quiet)?,
        When::Never => context.runtime()?.images().find(name)?,
        When::Missing => match stored(context, name, wanted.map(|_| &platform))? {
            Some(image) => image,
            None => {
                // What is no name is not looked for.
                registry::expand(context, name)?;
                if !quiet {
                    context.printer.note(format_args!("unable to find image {name} locally"));
                }
                fetch(context, name, &platform, quiet)?
            }
        },
    };
    if wanted.is_some() {
        let there = context.runtime()?.images().details(&image, &platform)?.config.platform();
        if !platform.matches(&there) {
            return Err(Error::Value {
                what: "--platform",
                value: platform.to_string(),
                reason: format!("image {name} is for {there}"),
            });
        }
    }
    Ok(ImageSource::Image(Box::new(image), platform))
}

/// Finds or pulls the images that are to be mounted, and calls them by their full names.
///
/// # Errors
/// As [`obtain`].
pub fn obtain_mounted(
    context: &Context,
    options: &Options,
    mut settings: Settings,
) -> Result<Settings, Error> {
    for mount in &mut settings.mounts {
        if let Mount::Image { source, .. } = mount {
            let platform = options.platform.as_deref();
            let found = obtain(context, source, platform, &options.pull, options.quiet)?;
            if let ImageSource::Image(image, _) = found {
                *source = image.name;
            }
        }
    }
    Ok(settings)
}

/// The image if it is there, on the platform that was asked for by name: the index of many may be
/// there with the content of one.
fn stored(
    context: &Context,
    name: &str,
    platform: Option<&Platform>,
) -> Result<Option<Image>, Error> {
    let images = context.runtime()?.images();
    let image = match images.find(name) {
        Ok(image) => image,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(platform) = platform else { return Ok(Some(image)) };
    match images.details(&image, platform) {
        Ok(details) => Ok(platform.matches(&details.config.platform()).then_some(image)),
        Err(isopod_runtime::Error::MissingBlob { .. }) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn fetch(context: &Context, name: &str, platform: &Platform, quiet: bool) -> Result<Image, Error> {
    let references = registry::expand(context, name)?;
    let request = registry::Request::new(platform.clone());
    let watcher = Watcher::new(context.printer, Style::Docker, quiet);
    let image = registry::pull(context, &references, &request, &watcher);
    watcher.finish(context.printer);
    image
}

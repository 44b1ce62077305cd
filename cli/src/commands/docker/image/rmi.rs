//! `rmi`: removes names of images, and the images that have no name left.

use isopod_runtime::image::{Image, Images};

use super::names;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove one or more images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove it although a container uses it or it has several names
    #[arg(short, long)]
    force: bool,
    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] IMAGE [IMAGE...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let images = context.runtime()?.images();
        context.each(&self.images, |text| {
            let names = self.names(&images, text)?;
            let removed = images.remove(&names, self.force)?;
            for name in removed.untagged.iter().filter(|name| !names::is_nameless(name)) {
                context.printer.line(format_args!("Untagged: {}", names::familiar(name)))?;
            }
            for digest in &removed.deleted {
                context.printer.line(format_args!("Deleted: {digest}"))?;
            }
            Ok(())
        })
    }
}

impl Args {
    /// A name stands for itself; an id for every name of its image.
    fn names(&self, images: &Images<'_>, text: &str) -> Result<Vec<String>, Error> {
        let image = images.find(text)?;
        let typed = names::parse(text)
            .ok()
            .filter(|typed| typed.to_string() == image.name || typed.digest().is_some());
        if let Some(typed) = typed {
            // With docker it is the digest alone that goes then; here tags have it, and nothing else does.
            return match typed.to_string() == image.name {
                true => Ok(vec![image.name]),
                false => Err(Error::Argument(format!(
                    "{text} has the name {}: remove it by that, or all of its names by its id",
                    names::familiar(&image.name)
                ))),
            };
        }
        let same = |other: &Image| other.target.digest == image.target.digest;
        let names: Vec<String> =
            images.list()?.into_iter().filter(same).map(|other| other.name).collect();
        let mut repositories: Vec<_> = names.iter().map(|name| names::split(name).0).collect();
        repositories.sort();
        repositories.dedup();
        if repositories.len() > 1 && !self.force {
            return Err(Error::Argument(format!(
                "image {text} has names in several repositories ({}): remove them by name, or use --force",
                repositories.join(", ")
            )));
        }
        Ok(names)
    }
}

//! `inspecti`: statuses of images.

use isopod_cri_client::v1;
use isopod_cri_protocol::json::to_value;

use super::format::{self, StatusFormat};
use super::images;
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::crictl::images as view;

/// Show the status of images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Without ids: as `images --filter` (may be given several times)
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Without ids: the image of this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// json, yaml, go-template or table
    #[arg(short, long, value_name = "FORMAT", default_value = "json")]
    output: StatusFormat,
    /// Leave out what the runtime adds
    #[arg(short, long)]
    quiet: bool,
    /// A Go template, for -o go-template
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    /// Images
    #[arg(value_name = "IMAGE-ID")]
    images: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [IMAGE-ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let written = self.output.written(self.template.as_deref())?;
        let session = Session::new(context)?;
        let (verbose, mut ids) = (!self.quiet, self.images);
        if ids.is_empty() {
            let name = self.name.unwrap_or_default();
            let found = images::list(&session, &name, &self.filter)?;
            ids = found.into_iter().map(|image| image.id).collect();
        }
        if ids.is_empty() {
            return Err(Error::Argument("no image is named, and none is found".to_owned()));
        }
        let mut client = session.images()?;
        let (mut text, mut all) = (String::new(), Vec::new());
        for id in ids {
            let spec = v1::ImageSpec { image: id.clone(), ..v1::ImageSpec::default() };
            let request = v1::ImageStatusRequest { image: Some(spec), verbose };
            let response = session
                .ask(client.image_status(request))
                .map_err(Error::doing(format!("getting the status of image {id:?}")))?;
            let Some(image) = &response.image else {
                return Err(Error::Argument(format!("no such image {id:?} present")));
            };
            match &written {
                None => text.push_str(&view::status(&response, verbose)),
                Some(_) => all.push(format::status(to_value(image), &response.info)?),
            }
        }
        if let Some(written) = written {
            text = format::statuses(&written, all)?;
        }
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}

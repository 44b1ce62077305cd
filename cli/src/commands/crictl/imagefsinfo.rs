//! `imagefsinfo`: the room that images and containers take.

use isopod_cri_client::v1;
use isopod_cri_protocol::json::to_value;
use std::collections::HashMap;

use super::format::{self, StatusFormat};
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::crictl::images as view;

/// Show the room that images and containers take
#[derive(Debug, clap::Args)]
pub struct Args {
    /// json, yaml, go-template or table
    #[arg(short, long, value_name = "FORMAT", default_value = "json")]
    output: StatusFormat,
    /// A Go template, for -o go-template
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let written = self.output.written(self.template.as_deref())?;
        let session = Session::new(context)?;
        let mut client = session.images()?;
        let response = session
            .ask(client.image_fs_info(v1::ImageFsInfoRequest {}))
            .map_err(Error::doing("asking for the images' file systems"))?;
        let text = match written {
            None => view::file_systems(&response),
            Some(written) => {
                let status = format::status(to_value(&response), &HashMap::new())?;
                format::statuses(&written, vec![status])?
            }
        };
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}

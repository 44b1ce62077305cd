//! `ctr images check`: whether everything of an image is here, and is what it should be.

use isopod_image::Platform;
use isopod_runtime::image::Check;

use crate::commands::ctr::filter::{self, Subject};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{CTR, Table};
use crate::output::units;

/// Check that all content of images is available locally
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print only the names of those that are ready to run
    #[arg(short, long)]
    quiet: bool,
    /// Only those that fit (name==NAME, labels.KEY==VALUE)
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] [<filter>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let images = context.runtime()?.images();
        let filters = filter::parse(&self.filters, &["name"])?;
        let mut table =
            Table::new(CTR, &["REF", "TYPE", "DIGEST", "STATUS", "SIZE", "UNPACKED", ""]);
        let mut status = 0;
        for image in images.list()? {
            let subject = Subject { fields: &[("name", &image.name)], labels: &image.labels };
            if !filter::any_fits(&filters, subject) {
                continue;
            }
            let check = images.check(&image, &Platform::host());
            if self.quiet {
                if check.is_ok_and(|check| check.is_complete() && check.unpacked) {
                    context.printer.line(&image.name)?;
                }
                continue;
            }
            let (word, size, unpacked) = match check {
                Ok(check) => {
                    for blob in &check.damaged {
                        context.report(&Error::DamagedBlob {
                            digest: blob.digest.to_string(),
                            image: image.name.clone(),
                        });
                        status = 1;
                    }
                    cells(&check)
                }
                Err(error) => {
                    context.report(&error.into());
                    status = 1;
                    ("error".to_owned(), "-".to_owned(), false)
                }
            };
            let digest = image.target.digest.to_string();
            table.row([
                image.name,
                image.target.media_type,
                digest,
                word,
                size,
                unpacked.to_string(),
            ]);
        }
        if !self.quiet {
            context.printer.data(table.render().as_bytes())?;
        }
        Ok(status)
    }
}

fn cells(check: &Check) -> (String, String, bool) {
    let word = match (check.is_complete(), check.damaged.is_empty()) {
        (true, _) => "complete",
        (false, true) => "incomplete",
        (false, false) => "damaged",
    };
    let status = format!("{word} ({}/{})", check.present, check.total);
    let size = format!("{}/{}", units::ctr(check.size_present), units::ctr(check.size_total));
    (status, size, check.unpacked)
}

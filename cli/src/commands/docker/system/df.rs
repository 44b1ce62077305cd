//! `system df`: what takes how much of the disk.

use chrono::Utc;
use isopod_image::Platform;
use isopod_runtime::image::ImagesUsage;
use serde_json::{Value as Json, json};

use crate::commands::docker::container::{command_line, state};
use crate::commands::docker::image::names;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::template::{self, Format};
use crate::output::views::disk_usage::{self as view, Sum};
use crate::output::views::{containers, images, volumes};

/// Show how much of the disk images, containers and volumes take
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print by a Go template, "table TEMPLATE" or "json"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show each image, container and volume
    #[arg(short, long)]
    verbose: bool,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let usage = context.runtime()?.images().usage()?;
        let containers = Containers::count(context)?;
        let volumes = Volumes::count(context)?;
        let text = match self.verbose {
            true => {
                let details = Details {
                    images: image_rows(context, &usage)?,
                    containers: containers.rows,
                    volumes: volumes.rows,
                };
                details.rendered(self.format.as_deref())?
            }
            false => {
                let rows = [
                    view::fields("Images", sum_of(&usage)),
                    view::fields("Containers", containers.sum),
                    view::fields("Local Volumes", volumes.sum),
                    // Nothing is built here.
                    view::fields("Build Cache", Sum::default()),
                ];
                template::list(self.format.as_deref(), view::TABLE, view::HEADERS, &rows)?
            }
        };
        context.printer.data(text.as_bytes())?;
        Ok(context.report_all(&containers.damaged))
    }
}

fn sum_of(usage: &ImagesUsage) -> Sum {
    Sum {
        total: usage.images.len(),
        active: usage.images.iter().filter(|image| image.containers > 0).count(),
        size: usage.size,
        reclaimable: usage.reclaimable,
    }
}

fn image_rows(context: &Context, usage: &ImagesUsage) -> Result<Vec<Json>, Error> {
    let store = context.runtime()?.images();
    let now = Utc::now();
    let row = |image: &isopod_runtime::image::ImageUsage| {
        let first = image.names.first()?;
        // One that is not whole is shown all the same: it takes room.
        let details = store.details(first, &Platform::host()).ok();
        let (repository, tag) = names::split(&first.name);
        let created = details.as_ref().and_then(|d| Some(d.config.created.as_ref()?.utc()));
        let id = details.as_ref().map_or(&first.target.digest, |details| details.id());
        let row = view::Image {
            id: id.to_string(),
            repository,
            tag,
            created,
            size: image.size,
            shared: image.shared,
            containers: image.containers,
        };
        Some(view::image(&row, now))
    };
    Ok(usage.images.iter().filter_map(row).collect())
}

#[derive(Default)]
struct Containers {
    sum: Sum,
    rows: Vec<Json>,
    damaged: Vec<Error>,
}

impl Containers {
    fn count(context: &Context) -> Result<Self, Error> {
        let all = context.containers()?;
        all.remove_ended()?;
        let listing = all.list()?;
        let mut found = Self::default();
        found.damaged.extend(listing.damaged.into_iter().map(Error::from));
        let (images, now) = (context.runtime()?.images(), Utc::now());
        for container in listing.containers {
            let looked_at = container.status().and_then(|s| Ok((s, container.written_bytes()?)));
            let (status, size) = match looked_at {
                Ok(both) => both,
                Err(error) => {
                    found.damaged.push(error.into());
                    continue;
                }
            };
            let is_active = status.phase.is_alive();
            found.sum.total += 1;
            found.sum.size += size;
            found.sum.active += usize::from(is_active);
            found.sum.reclaimable += if is_active { 0 } else { size };
            let row = view::Container {
                id: container.id().to_owned(),
                image: names::of_container(&container, &images),
                command: command_line::of(&container),
                volumes: container.record().volumes.len(),
                size,
                created: container.created(),
                state: state::of(&status),
                name: container.name().to_owned(),
            };
            found.rows.push(view::container(&row, now));
        }
        Ok(found)
    }
}

#[derive(Default)]
struct Volumes {
    sum: Sum,
    rows: Vec<Json>,
}

impl Volumes {
    fn count(context: &Context) -> Result<Self, Error> {
        let volumes = context.runtime()?.volumes();
        let mut found = Self::default();
        for details in volumes.details()? {
            let size = volumes.size(&details.volume)?;
            let links = details.users.len();
            found.sum.total += 1;
            found.sum.size += size;
            found.sum.active += usize::from(links > 0);
            found.sum.reclaimable += if links > 0 { 0 } else { size };
            let row = crate::commands::docker::volume::row(context, &details.volume)?;
            let row = volumes::Row { usage: Some((links, size)), ..row };
            found.rows.push(volumes::fields(&row));
        }
        Ok(found)
    }
}

struct Details {
    images: Vec<Json>,
    containers: Vec<Json>,
    volumes: Vec<Json>,
}

impl Details {
    /// docker's four parts one below the other, or all of them as one value for a template.
    fn rendered(&self, format: Option<&str>) -> Result<String, Error> {
        let format = match format {
            None | Some("" | "table") => return self.tables(),
            Some("json") => "{{json .}}",
            Some(format) => format,
        };
        let all = json!({
            "Images": self.images,
            "Containers": self.containers,
            "Volumes": self.volumes,
            "BuildCache": [],
        });
        Ok(Format::parse(format)?.render(&all)? + "\n")
    }

    fn tables(&self) -> Result<String, Error> {
        let images = template::list(None, view::IMAGES, images::HEADERS, &self.images)?;
        let containers =
            template::list(None, view::CONTAINERS, containers::HEADERS, &self.containers)?;
        let volumes = template::list(None, view::VOLUMES, volumes::HEADERS, &self.volumes)?;
        Ok(format!(
            "Images space usage:\n\n{images}\nContainers space usage:\n\n{containers}\n\
             Local Volumes space usage:\n\n{volumes}\nBuild cache usage: 0B\n\n"
        ))
    }
}

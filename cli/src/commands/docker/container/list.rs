//! `ps`, `container ls`: containers and what they do.

use chrono::Utc;
use isopod_image::Platform;
use isopod_runtime::container::{Container, Mount};
use isopod_runtime::image::Images;
use isopod_runtime::network::Endpoint;

use super::filter::Filter;
use super::{command_line, state};
use crate::commands::docker::image::names;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::template;
use crate::output::views::containers::{self as view, Row};
use crate::output::views::network_settings;

/// List containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show those that do not run too
    #[arg(short, long)]
    all: bool,
    /// Show only those that fit (name=, id=, label=, status=, ancestor=, exited=, before=, since=, volume=, network=, publish=, expose=, health=)
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print by a Go template, "table TEMPLATE", "json" or, but for the name docker, "wide"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show the last created ones, running or not
    #[arg(short = 'n', long, value_name = "NUMBER", allow_negative_numbers = true)]
    last: Option<i64>,
    /// Show the last created one, running or not
    #[arg(short, long)]
    latest: bool,
    /// Show whole ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Show only ids
    #[arg(short, long)]
    quiet: bool,
    /// Show what they take of the disk
    #[arg(short, long)]
    size: bool,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let containers = context.containers()?;
        containers.remove_ended()?;
        let filters =
            self.filter.iter().map(|text| Filter::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let filters = filters
            .into_iter()
            .map(|filter| filter.resolve(&containers, context))
            .collect::<Result<Vec<_>, _>>()?;
        let everything =
            self.all || self.limit().is_some() || filters.iter().any(Filter::is_about_the_ended);
        let images = context.runtime()?.images();
        let endpoints = context.runtime()?.networks().all_endpoints()?;
        let mut rows = Vec::new();
        let listing = containers.list()?;
        let mut damaged: Vec<Error> = listing.damaged.into_iter().map(Error::from).collect();
        for container in listing.containers {
            let row = match self.row(context, &container, images, &endpoints) {
                Ok(row) => row,
                Err(error) => {
                    damaged.push(error);
                    continue;
                }
            };
            let shown = everything || row.state.is_alive();
            if shown && Filter::all_match(&filters, &container, &row) {
                rows.push(row);
            }
        }
        rows.truncate(self.limit().unwrap_or(usize::MAX));
        let now = Utc::now();
        let rows: Vec<_> = rows.iter().map(|row| view::fields(row, !self.no_trunc, now)).collect();
        context.printer.data(self.rendered(context, &rows)?.as_bytes())?;
        Ok(context.report_all(&damaged))
    }
}

impl Args {
    /// How many of all, where that was said; -1 is docker's way of saying nothing.
    fn limit(&self) -> Option<usize> {
        if self.latest {
            return Some(1);
        }
        self.last.and_then(|last| usize::try_from(last).ok()).filter(|last| *last > 0)
    }

    fn is_wide(&self, context: &Context) -> bool {
        !self.quiet && template::is_wide(self.format.as_deref(), &context.program)
    }

    fn wants_size(&self, context: &Context) -> bool {
        self.size
            || self.is_wide(context)
            || self.format.as_deref().is_some_and(|format| format.contains(".Size"))
    }

    fn row(
        &self,
        context: &Context,
        container: &Container<'_>,
        images: Images<'_>,
        endpoints: &[Endpoint],
    ) -> Result<Row, Error> {
        let status = container.status()?;
        let is_its = |endpoint: &&Endpoint| {
            endpoint.container == container.id() && endpoint.namespace == container.namespace()
        };
        let mut ports = Vec::new();
        for endpoint in endpoints.iter().filter(is_its) {
            if !status.phase.is_alive() {
                // What is left of an end that nobody saw.
                container.release_if_over()?;
                break;
            }
            ports.extend(endpoint.record.ports.iter().copied());
        }
        let settings = container.settings();
        let of_host = settings.mounts.iter().filter_map(|mount| match mount {
            Mount::Bind { source, .. } => Some(source.display().to_string()),
            _ => None,
        });
        let volumes = &container.record().volumes;
        let status = container.status()?;
        Ok(Row {
            id: container.id().to_owned(),
            image: names::of_container(container, &images),
            command: command_line::of(container),
            created: container.created(),
            state: state::of(&status),
            health: status.health.as_ref().map(|health| health.condition),
            name: container.name().to_owned(),
            labels: container.labels().clone(),
            mounts: volumes.iter().map(|volume| volume.name.clone()).chain(of_host).collect(),
            volumes: volumes.len(),
            networks: network_settings::names(&settings.network),
            published: ports,
            exposed: match status.phase.is_alive() {
                true => container.exposed_ports().into_iter().collect(),
                false => Vec::new(),
            },
            platform: match self.is_wide(context) {
                true => Some(platform(container, images)),
                false => None,
            },
            size: if self.wants_size(context) { Some(size(container, images)?) } else { None },
        })
    }

    fn rendered(&self, context: &Context, rows: &[serde_json::Value]) -> Result<String, Error> {
        let mut default = view::TABLE.to_owned();
        if self.is_wide(context) {
            default.push_str(view::WIDE_COLUMNS);
        }
        if self.size || self.is_wide(context) {
            default.push_str(view::SIZE_COLUMN);
        }
        let (format, default) = match self.quiet {
            true => (None, "{{.ID}}"),
            false => {
                (template::narrowed(self.format.as_deref(), &context.program), default.as_str())
            }
        };
        Ok(template::list(format, default, view::HEADERS, rows)?)
    }
}

/// What its image was made for; without an image, this machine.
fn platform(container: &Container<'_>, images: Images<'_>) -> String {
    let host = Platform::host();
    let image = container.image_name().and_then(|name| images.get(name).ok());
    let details = image.and_then(|image| images.details(&image, &host).ok());
    details.map_or(host, |details| details.config.platform()).to_string()
}

/// Bytes of the writable layer, and of it with the image.
pub(super) fn size(container: &Container<'_>, images: Images<'_>) -> Result<(u64, u64), Error> {
    let writable = container.written_bytes()?;
    let image = container.image_name().and_then(|name| images.get(name).ok());
    let details = image.and_then(|image| images.details(&image, &Platform::host()).ok());
    let below = match details {
        Some(details) => images.unpacked_size(&details)?.unwrap_or_default(),
        None => 0,
    };
    Ok((writable, writable + below))
}

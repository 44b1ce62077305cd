//! `history`: how the layers of an image came about.

use chrono::Utc;

use super::platform;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::template;
use crate::output::views::image_history::{self as view, Step};

/// Show the history of an image
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print by a Go template, "table TEMPLATE" or "json"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print sizes and times for people
    #[arg(short = 'H', long, default_value = "true")]
    human: bool,
    /// Show whole commands and ids
    #[arg(long)]
    no_trunc: bool,
    /// The platform to show (os[/arch[/variant]])
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Show only ids
    #[arg(short, long)]
    quiet: bool,
    /// Name or id
    #[arg(value_name = "IMAGE")]
    image: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] IMAGE";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let images = context.runtime()?.images();
        let image = images.find(&self.image)?;
        let details = images.details(&image, &platform::parse(self.platform.as_deref())?)?;
        let sizes = images.layer_sizes(&details)?;
        let mut sizes = sizes.into_iter();
        let mut steps: Vec<Step> = details
            .config
            .history
            .iter()
            .map(|step| Step {
                id: None,
                created: step.created.as_ref().map(|created| created.utc()),
                created_by: step.created_by.clone().unwrap_or_default(),
                comment: step.comment.clone().unwrap_or_default(),
                size: if step.empty_layer { 0 } else { sizes.next().unwrap_or(0) },
            })
            .collect();
        // Layers that the history does not tell of.
        steps.extend(sizes.map(|size| Step { size, ..Step::default() }));
        steps.reverse();
        if let Some(newest) = steps.first_mut() {
            newest.id = Some(details.id().to_string());
        }
        let now = Utc::now();
        let fields = |step: &Step| view::fields(step, !self.no_trunc, self.human, now);
        let rows: Vec<_> = steps.iter().map(fields).collect();
        let format = template::narrowed(self.format.as_deref(), &context.program);
        let format = format.filter(|_| !self.quiet);
        let default = if self.quiet { "{{.ID}}" } else { view::TABLE };
        let text = template::list(format, default, view::HEADERS, &rows)?;
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}

//! `doctor`: what kernel and machine offer, and what is missing for which feature.

use isopod_image::Reference;
use isopod_runtime::doctor::{self, Checkup, Machine, Verdict};

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::json;
use crate::output::views::doctor as view;
use crate::registry;

/// Say what this kernel and machine offer, and what is missing for which feature
///
/// Nothing is changed. The exit status is 0 where containers can be run, and 1 where they can't.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Say only what is missing or limited
    #[arg(short, long)]
    quiet: bool,
    /// Print as "json"
    #[arg(long, value_name = "FORMAT", value_parser = ["json"])]
    format: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let machine =
            Machine { root: context.root().to_owned(), state: context.state().to_owned() };
        let mut checkups = doctor::examine(&machine);
        checkups.push(registries(context)?);
        let is_fatal = checkups.iter().any(Checkup::is_fatal);
        if self.quiet {
            checkups.retain(|checkup| checkup.verdict != Verdict::Ok);
        }
        let text = match self.format {
            Some(_) => json::line(&view::json(&checkups, !is_fatal))? + "\n",
            None => view::table(&checkups),
        };
        context.printer.data(text.as_bytes())?;
        if is_fatal {
            context.printer.warn("containers can't be run here: see what is missing");
        }
        Ok(Status::from(is_fatal))
    }
}

/// Whether what is configured of registries can be read.
fn registries(context: &Context) -> Result<Checkup, Error> {
    let reference = Reference::parse("docker.io/library/busybox").map_err(Error::argument)?;
    let checkup =
        |detail: String| Checkup::ok("network", "registry configuration", detail).of("pull, push");
    Ok(match registry::servers(context, &reference) {
        Ok(count) => checkup(format!("readable; {count} servers are asked for docker.io")),
        Err(error) => {
            let advice = "correct the file: hosts.toml or registries.conf";
            checkup(error.line()).but(Verdict::Missing, advice)
        }
    })
}

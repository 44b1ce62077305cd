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
        checkups.extend(authorities(context));
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

/// Whether there is anybody to trust: a machine without a bundle of authorities can't pull from any registry that
/// has a certificate of theirs. `None` where the configuration can't be read, which [`registries`] tells.
fn authorities(context: &Context) -> Option<Checkup> {
    let roots = registry::config(context).ok()?.roots;
    let checkup = |detail: String| {
        Checkup::ok("network", "certificate authorities", detail).of("pull and push over TLS")
    };
    let advice = "install ca-certificates, or name a file of authorities with SSL_CERT_FILE";
    Some(match roots.count() {
        Ok(0) => checkup("none are found on this machine".to_owned()).but(Verdict::Missing, advice),
        Ok(count) => checkup(format!("{count} are trusted")),
        Err(error) => checkup(error.to_string()).but(Verdict::Missing, advice),
    })
}

//! `version`: of this binary, which is client and server at once.

use serde_json::{Value as Json, json};

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::json;
use crate::output::template::Format;

/// Show the version
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print by a Go template, or "json"
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let version = version();
        let text = match self.format.as_deref() {
            None | Some("") => text(&version),
            Some("json") => json::line(&version)? + "\n",
            Some(format) => Format::parse(format)?.render(&version)? + "\n",
        };
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}

/// Scripts ask for `.Client.Version` and `.Server.Version`: both are this binary.
fn version() -> Json {
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let architecture = isopod_image::Platform::host().architecture;
    let platform = json!({ "Name": "isopod" });
    json!({
        "Client": {
            "Platform": platform,
            "Version": crate::VERSION,
            "Os": "linux",
            "Arch": architecture,
            "KernelVersion": kernel,
        },
        "Server": {
            "Platform": platform,
            "Components": [{
                "Name": "isopod",
                "Version": crate::VERSION,
                "Details": { "Arch": architecture, "KernelVersion": kernel, "Os": "linux" },
            }],
            "Version": crate::VERSION,
            "Os": "linux",
            "Arch": architecture,
            "KernelVersion": kernel,
        },
    })
}

fn text(version: &Json) -> String {
    let part = &version["Client"];
    let word = |name: &str| part[name].as_str().unwrap_or_default().to_owned();
    format!(
        "isopod\n Version:  {}\n OS/Arch:  {}/{}\n Kernel:   {}\n Daemon:   none\n",
        word("Version"),
        word("Os"),
        word("Arch"),
        word("KernelVersion")
    )
}

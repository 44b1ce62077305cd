//! crictl's flags before the command.

use std::path::PathBuf;
use std::time::Duration;

use isopod_spec::quantity;

/// As they were given; [`super::settings`] settles them with environment and file.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct CrictlArgs {
    /// Configuration file [default: /etc/crictl.yaml, or crictl.yaml beside the program]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the runtime listens, as in unix:///run/isopod/cri.sock [default: the first usual place that answers]
    #[arg(short, long, value_name = "URL")]
    pub runtime_endpoint: Option<String>,
    /// Where images are managed [default: where the runtime listens]
    #[arg(short, long, value_name = "URL")]
    pub image_endpoint: Option<String>,
    /// How long connecting, and each answer, may take (2s, 1m30s) [default: 2s, and 2m for what changes something]
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// How often connecting is tried again; -1: forever
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub max_retries: Option<i64>,
    /// Say on standard error what is done
    #[arg(short = 'D', long)]
    pub debug: bool,
}

/// A Go duration (`2s`, `1m30s`, `0`).
///
/// # Errors
/// Text that is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    quantity::duration(text).ok_or_else(|| "it is no time, as in 2s or 1m30s".to_owned())
}

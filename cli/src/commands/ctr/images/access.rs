//! What `pull` and `push` are told about the registry.

use std::path::PathBuf;

use crate::registry::Access;

/// Flags about the registry, and about nothing else.
#[derive(Debug, clap::Args)]
pub struct AccessArgs {
    /// Do not check the registry's certificate
    #[arg(short = 'k', long)]
    skip_verify: bool,
    /// Speak plain HTTP with the registry
    #[arg(long)]
    plain_http: bool,
    /// Credentials for the registry
    #[arg(short, long, value_name = "USER:PASSWORD")]
    user: Option<String>,
    /// Folder with a hosts.toml a registry
    #[arg(long, value_name = "DIR")]
    hosts_dir: Vec<PathBuf>,
}

impl From<AccessArgs> for Access {
    fn from(args: AccessArgs) -> Self {
        let AccessArgs { skip_verify, plain_http, user, hosts_dir: hosts_dirs } = args;
        Self { user, plain_http, skip_verify, hosts_dirs }
    }
}

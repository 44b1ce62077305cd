//! `--debug`: what the library traces, on standard error.

use tracing_subscriber::EnvFilter;

use crate::env;

/// Starts showing; only the first call in a process does anything.
pub fn start() {
    let filter = env::text(env::LOG).unwrap_or_else(|| "debug".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .try_init()
        .ok();
}

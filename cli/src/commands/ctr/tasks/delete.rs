//! `ctr tasks delete`: forgets that containers ran.

use isopod_runtime::container::Phase;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

const SIGKILL: i32 = 9;

/// Delete one or more tasks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kill those that run
    #[arg(short, long)]
    force: bool,
    /// Their containers' ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

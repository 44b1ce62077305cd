//! `ctr tasks ps`.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{CTR_WIDE, Table};

/// List the processes of a container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "CONTAINER";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let container = context.containers()?.find(&self.container)?;
        let execs = container.execs()?;
        let mut table = Table::new(CTR_WIDE, &["PID", "INFO"]);
        for pid in container.processes()? {
            let exec = execs.iter().find(|exec| exec.pid == pid);
            let info = exec.map_or_else(|| "-".to_owned(), |e| format!("exec_id:{:?}", e.exec_id));
            table.row([pid.to_string(), info]);
        }
        context.printer.data(table.render().as_bytes())?;
        Ok(0)
    }
}

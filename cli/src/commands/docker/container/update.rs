//! `update`: other limits and another restart policy for containers that exist.

use isopod_runtime::container::{Resources, Restart, Update};
use isopod_spec::quantity;

use super::{restart_policy, settings};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Change limits of one or more containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Share of the disks' time among containers that compete for it (10 to 1000)
    #[arg(long, value_name = "WEIGHT")]
    blkio_weight: Option<u16>,
    /// Period of the CPU quota in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<u64>,
    /// Microseconds of CPU in each period
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    cpu_quota: Option<i64>,
    /// Weight among containers that compete for the CPU (1024 is usual)
    #[arg(short = 'c', long, value_name = "SHARES")]
    cpu_shares: Option<u64>,
    /// Number of CPUs, as in 1.5
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<String>,
    /// CPUs that may be used, as in 0-3,5
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes that may be used, as in 0-1
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Most memory, as in 64m
    #[arg(short, long, value_name = "BYTES")]
    memory: Option<String>,
    /// Memory that is left to the container when the host runs short
    #[arg(long, value_name = "BYTES")]
    memory_reservation: Option<String>,
    /// Most memory and swap together; -1 for any amount of swap
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// Most processes; -1 for any number
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pids_limit: Option<i64>,
    /// When it is started again (no, on-failure[:MAX], always, unless-stopped)
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let update = self.update()?;
        if update == Update::default() {
            return Err(Error::Argument("say what to update, as in --memory 64m".to_owned()));
        }
        let containers = context.containers()?;
        context.each(&self.containers, |name| {
            containers.find(name)?.update(&update)?;
            Ok(context.printer.line(name)?)
        })
    }
}

impl Args {
    /// As docker does, a 0 says nothing.
    fn update(&self) -> Result<Update, Error> {
        let bytes = |what, text: &Option<String>| {
            Ok::<_, Error>(settings::signed(what, text.as_deref())?.filter(|bytes| *bytes != 0))
        };
        let restart: Option<Restart> =
            self.restart.as_deref().map(restart_policy::parse).transpose()?;
        let resources = Resources {
            memory: bytes("--memory", &self.memory)?,
            memory_swap: match self.memory_swap.as_deref() {
                Some("-1") => Some(-1),
                _ => bytes("--memory-swap", &self.memory_swap)?,
            },
            memory_reservation: bytes("--memory-reservation", &self.memory_reservation)?,
            nano_cpus: match &self.cpus {
                Some(text) => {
                    Some(quantity::nano_cpus(text).map_err(settings::value("--cpus", text))?)
                }
                None => None,
            },
            cpu_shares: self.cpu_shares,
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
            pids_limit: self.pids_limit,
            blkio_weight: self.blkio_weight,
            ..Resources::default()
        };
        Ok(Update { resources, restart })
    }
}

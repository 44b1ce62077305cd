//! `update`: limits of containers that run.

use isopod_cri_client::v1;

use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Change limits of containers; 0, or nothing, leaves a limit as it is
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The period of --cpu-quota, in microseconds
    #[arg(long, value_name = "N", default_value_t = 0)]
    cpu_period: i64,
    /// CPU time a period, in microseconds
    #[arg(long, value_name = "N", default_value_t = 0)]
    cpu_quota: i64,
    /// Weight against other containers
    #[arg(long, value_name = "N", default_value_t = 0)]
    cpu_share: i64,
    /// CPUs to run on (0-3, 0,1)
    #[arg(long, value_name = "LIST", default_value = "")]
    cpuset_cpus: String,
    /// Memory nodes to use (0-3, 0,1)
    #[arg(long, value_name = "LIST", default_value = "")]
    cpuset_mems: String,
    /// Memory, in bytes
    #[arg(long, value_name = "N", default_value_t = 0)]
    memory: i64,
    /// Badness for the kernel's out-of-memory killer
    #[arg(long, value_name = "N", default_value_t = 0)]
    oom_score_adj: i64,
    /// Containers
    #[arg(value_name = "CONTAINER-ID", required = true)]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER-ID [CONTAINER-ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        let linux = v1::LinuxContainerResources {
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpu_shares: self.cpu_share,
            cpuset_cpus: self.cpuset_cpus,
            cpuset_mems: self.cpuset_mems,
            memory_limit_in_bytes: self.memory,
            oom_score_adj: self.oom_score_adj,
            ..v1::LinuxContainerResources::default()
        };
        context.each(&self.containers, |id| {
            let request = v1::UpdateContainerResourcesRequest {
                container_id: id.to_owned(),
                linux: Some(linux.clone()),
                ..v1::UpdateContainerResourcesRequest::default()
            };
            session
                .change(client.update_container_resources(request))
                .map_err(Error::doing(format!("updating container resources for {id:?}")))?;
            Ok(context.printer.line(id)?)
        })
    }
}

//! `runc update`.

use std::io::Read;
use std::path::PathBuf;

use isopod_oci::Error;
use isopod_oci::request::Job;
use oci_spec::runtime::LinuxResources;
use serde_json::{Map, Value, json};

use super::execute::execute;
use super::{Failure, Globals, Verb, one};
use crate::commands::Status;

/// Change the limits of a container
#[derive(Debug, clap::Args)]
pub struct Update {
    /// File with a JSON object like linux.resources of config.json, or - for standard input; other flags don't count then
    #[arg(short, long, value_name = "FILE")]
    resources: Option<PathBuf>,
    /// Weight of block I/O, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    blkio_weight: Option<u16>,
    /// Period of the CPU quota in microseconds
    #[arg(long, value_name = "US")]
    cpu_period: Option<u64>,
    /// CPU time in a period in microseconds
    #[arg(long, value_name = "US")]
    cpu_quota: Option<i64>,
    /// CPU shares
    #[arg(long, value_name = "SHARES")]
    cpu_share: Option<u64>,
    /// Period of the real-time CPU quota in microseconds
    #[arg(long, value_name = "US")]
    cpu_rt_period: Option<u64>,
    /// Real-time CPU time in a period in microseconds
    #[arg(long, value_name = "US")]
    cpu_rt_runtime: Option<i64>,
    /// CPUs that may be used
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes that may be used
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Bytes of memory; -1 is no limit
    #[arg(long, value_name = "BYTES")]
    memory: Option<String>,
    /// Bytes of memory that others are kept away from
    #[arg(long, value_name = "BYTES")]
    memory_reservation: Option<String>,
    /// Bytes of memory and swap together; -1 is no limit
    #[arg(long, value_name = "BYTES")]
    memory_swap: Option<String>,
    /// Processes at most; -1 is no limit
    #[arg(long, value_name = "COUNT")]
    pids_limit: Option<i64>,
    #[arg(long, hide = true)]
    kernel_memory: Option<String>,
    #[arg(long, hide = true)]
    kernel_memory_tcp: Option<String>,
    #[arg(long, hide = true)]
    l3_cache_schema: Option<String>,
    #[arg(long, hide = true)]
    mem_bw_schema: Option<String>,
    /// The container
    #[arg(trailing_var_arg = true)]
    arguments: Vec<String>,
}

impl Verb for Update {
    const USAGE: &'static str = "[options] <container-id>";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        let id = one("update", self.arguments.clone())?;
        if !globals.store().load(&id)?.status().has_process() {
            return Err(Error::NotRunning.into());
        }
        let resources = match &self.resources {
            Some(path) if path.as_os_str() == "-" => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text)?;
                parse(&text)?
            }
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Failure::new(format!("cannot read {}: {error}", path.display()))
                })?;
                parse(&text)?
            }
            None => self.flags()?,
        };
        Err(execute(globals, id, Job::Update(resources), 0))
    }
}

fn parse(text: &str) -> Result<LinuxResources, Failure> {
    let mut value: Value = serde_json::from_str(text)
        .map_err(|error| Failure::new(format!("malformed resources: {error}")))?;
    // The type of it has its own idea of what is allowed where nothing is said.
    if let Some(object) = value.as_object_mut() {
        object.entry("devices").or_insert(json!([]));
    }
    serde_json::from_value(value)
        .map_err(|error| Failure::new(format!("malformed resources: {error}")))
}

impl Update {
    fn flags(self) -> Result<LinuxResources, Failure> {
        let refused = [
            (
                "--kernel-memory",
                self.kernel_memory.is_some(),
                "the kernel has no such limit any more",
            ),
            (
                "--kernel-memory-tcp",
                self.kernel_memory_tcp.is_some(),
                "the kernel has no such limit any more",
            ),
            ("--l3-cache-schema", self.l3_cache_schema.is_some(), "Intel RDT is not supported"),
            ("--mem-bw-schema", self.mem_bw_schema.is_some(), "Intel RDT is not supported"),
        ];
        if let Some((flag, _, why)) = refused.into_iter().find(|(_, given, _)| *given) {
            return Err(Failure::new(format!("{flag} is not supported: {why}")));
        }
        let bytes = |flag: &str, text: &Option<String>| -> Result<Value, Failure> {
            let Some(text) = text else { return Ok(Value::Null) };
            if text == "-1" {
                return Ok((-1).into());
            }
            match isopod_spec::quantity::bytes(text) {
                Ok(bytes) => Ok(bytes.into()),
                Err(error) => Err(Failure::new(format!("invalid value for {flag}: {error}"))),
            }
        };
        let memory = some([
            ("limit", bytes("memory", &self.memory)?),
            ("reservation", bytes("memory-reservation", &self.memory_reservation)?),
            ("swap", bytes("memory-swap", &self.memory_swap)?),
        ]);
        let cpu = some([
            ("shares", self.cpu_share.into()),
            ("quota", self.cpu_quota.into()),
            ("period", self.cpu_period.into()),
            ("realtimeRuntime", self.cpu_rt_runtime.into()),
            ("realtimePeriod", self.cpu_rt_period.into()),
            ("cpus", self.cpuset_cpus.into()),
            ("mems", self.cpuset_mems.into()),
        ]);
        let pids = some([("limit", self.pids_limit.into())]);
        let block = some([("weight", self.blkio_weight.into())]);
        let all = some([
            ("devices", json!([])),
            ("memory", memory),
            ("cpu", cpu),
            ("pids", pids),
            ("blockIO", block),
        ]);
        Ok(serde_json::from_value(all)?)
    }
}

/// An object of what is said; nothing if nothing is.
fn some<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let said = fields.into_iter().filter(|(_, value)| !value.is_null());
    let object: Map<String, Value> = said.map(|(name, value)| (name.to_owned(), value)).collect();
    if object.is_empty() { Value::Null } else { object.into() }
}

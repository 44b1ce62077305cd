//! Limits as properties of a unit (systemd.resource-control(5)). systemd writes what it knows whenever it looks
//! at a unit again, as after `daemon-reload`: a limit that is in the kernel's files alone would be gone then.
//! What it has no property for it leaves as it is.

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice};

use crate::wire::Value;
use crate::{Error, Property, Result};

/// What systemd takes for no limit.
const NONE: u64 = u64::MAX;
/// The kernel's and systemd's, in microseconds.
const CPU_PERIOD: u64 = 100_000;
/// systemd keeps a quota as whole hundredths of a processor: microseconds a second.
const CPU_STEP: u64 = 10_000;

/// The properties that stand for what `resources` says, and no others; of cgroup v2.
///
/// # Errors
/// A list of processors or a value of `unified` that is malformed.
pub fn properties(resources: &LinuxResources) -> Result<Vec<Property>> {
    let mut all = Properties::default();
    if let Some(memory) = resources.memory() {
        all.memory(memory);
    }
    if let Some(cpu) = resources.cpu() {
        all.cpu(cpu)?;
    }
    if let Some(pids) = resources.pids() {
        match pids.limit() {
            0 => {}
            limit => all.add("TasksMax", Value::U64(or_none(limit))),
        }
    }
    if let Some(io) = resources.block_io() {
        all.io(io);
    }
    if let Some(files) = resources.unified() {
        let mut files: Vec<_> = files.iter().collect();
        files.sort();
        for (file, value) in files {
            all.file(file, value.trim())?;
        }
    }
    Ok(all.all)
}

/// The properties that make `after` of `before`: what is no longer limited is reset.
///
/// # Errors
/// See [`properties`].
pub fn changes(before: &LinuxResources, after: &LinuxResources) -> Result<Vec<Property>> {
    let mut all = properties(after)?;
    for (name, value) in properties(before)? {
        if all.iter().all(|(other, _)| *other != name) {
            let none = match (&*name, value) {
                ("MemoryLow" | "MemoryMin", _) => Value::U64(0),
                (_, Value::Bytes(_)) => Value::Bytes(Vec::new()),
                (_, Value::Rates(_)) => Value::Rates(Vec::new()),
                _ => Value::U64(NONE),
            };
            all.push((name, none));
        }
    }
    Ok(all)
}

#[derive(Default)]
struct Properties {
    all: Vec<Property>,
}

impl Properties {
    /// The last of several is meant.
    fn add(&mut self, name: &str, value: Value) {
        self.all.retain(|(other, _)| other != name);
        self.all.push((name.to_owned(), value));
    }

    fn memory(&mut self, memory: &LinuxMemory) {
        let limit = memory.limit().filter(|limit| *limit != 0);
        if let Some(limit) = limit {
            self.add("MemoryMax", Value::U64(or_none(limit)));
        }
        if let Some(reservation) = memory.reservation().filter(|bytes| *bytes != 0) {
            self.add("MemoryLow", Value::U64(or_none(reservation)));
        }
        // Both together there, swap alone here.
        if let Some(swap) = memory.swap().filter(|swap| *swap != 0) {
            let swap = if swap < 0 { swap } else { (swap - limit.unwrap_or(0).max(0)).max(0) };
            self.add("MemorySwapMax", Value::U64(or_none(swap)));
        }
    }

    fn cpu(&mut self, cpu: &LinuxCpu) -> Result<()> {
        if let Some(shares) = cpu.shares().filter(|shares| *shares != 0) {
            self.add("CPUWeight", Value::U64(weight_of_shares(shares)));
        }
        self.quota(cpu.quota().filter(|quota| *quota != 0), cpu.period().filter(|us| *us != 0));
        for (name, what, list) in [
            ("AllowedCPUs", "linux.resources.cpu.cpus", cpu.cpus()),
            ("AllowedMemoryNodes", "linux.resources.cpu.mems", cpu.mems()),
        ] {
            if let Some(list) = list.as_deref().filter(|list| !list.is_empty()) {
                self.add(name, Value::Bytes(mask(what, list)?));
            }
        }
        Ok(())
    }

    fn quota(&mut self, quota: Option<i64>, period: Option<u64>) {
        if let Some(period) = period {
            self.add("CPUQuotaPeriodUSec", Value::U64(period));
        }
        let Some(quota) = quota else { return };
        let per_second = match u64::try_from(quota) {
            Ok(quota) => {
                let period = period.unwrap_or(CPU_PERIOD);
                let exact = u128::from(quota) * 1_000_000 / u128::from(period);
                u64::try_from(exact).map_or(NONE, |us| us.next_multiple_of(CPU_STEP))
            }
            Err(_) => NONE,
        };
        self.add("CPUQuotaPerSecUSec", Value::U64(per_second));
    }

    fn io(&mut self, io: &LinuxBlockIo) {
        if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
            let weight = 1 + (u64::from(weight).max(10) - 10) * 9999 / 990;
            self.add("IOWeight", Value::U64(weight));
        }
        for (name, list) in [
            ("IOReadBandwidthMax", io.throttle_read_bps_device()),
            ("IOWriteBandwidthMax", io.throttle_write_bps_device()),
            ("IOReadIOPSMax", io.throttle_read_iops_device()),
            ("IOWriteIOPSMax", io.throttle_write_iops_device()),
        ] {
            if let Some(list) = list {
                self.add(name, Value::Rates(list.iter().map(rate).collect()));
            }
        }
    }

    /// A file of cgroup v2 by its name (Documentation/admin-guide/cgroup-v2.rst).
    fn file(&mut self, file: &str, value: &str) -> Result<()> {
        let number = || match value {
            "max" => Ok(NONE),
            digits => {
                digits.parse().map_err(|_| Error::Limit("a limit of", format!("{file}={value}")))
            }
        };
        match file {
            "memory.max" => self.add("MemoryMax", Value::U64(number()?)),
            "memory.high" => self.add("MemoryHigh", Value::U64(number()?)),
            "memory.low" => self.add("MemoryLow", Value::U64(number()?)),
            "memory.min" => self.add("MemoryMin", Value::U64(number()?)),
            "memory.swap.max" => self.add("MemorySwapMax", Value::U64(number()?)),
            "pids.max" => self.add("TasksMax", Value::U64(number()?)),
            "cpu.weight" => self.add("CPUWeight", Value::U64(number()?)),
            "cpuset.cpus" => self.add("AllowedCPUs", Value::Bytes(mask("cpuset.cpus", value)?)),
            "cpuset.mems" => {
                self.add("AllowedMemoryNodes", Value::Bytes(mask("cpuset.mems", value)?))
            }
            "cpu.max" => {
                let malformed = || Error::Limit("a limit of", format!("{file}={value}"));
                let mut words = value.split_whitespace();
                let quota = match words.next().ok_or_else(malformed)? {
                    "max" => -1,
                    digits => digits.parse().map_err(|_| malformed())?,
                };
                let period = words.next().map(str::parse).transpose().map_err(|_| malformed())?;
                self.quota(Some(quota), period);
            }
            "io.weight" => {
                let weight = value.strip_prefix("default ").unwrap_or(value);
                // Of single devices it knows by their nodes alone.
                if let Ok(weight) = weight.parse() {
                    self.add("IOWeight", Value::U64(weight));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Negative numbers are no limit.
fn or_none(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(NONE)
}

fn rate(device: &LinuxThrottleDevice) -> (String, u64) {
    (format!("/dev/block/{}:{}", device.major(), device.minor()), device.rate())
}

/// CPU shares of version 1 as a weight of version 2, as libcontainer, crun from 1.23 on and Kubernetes convert them: both
/// defaults (1024 and 100) and both ends stand for each other. Older runtimes take a straight line between the ends.
#[must_use]
pub fn weight_of_shares(shares: u64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 2 to 262144, and from 1 to 10000"
    )]
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            (10_f64.powf(exponent).ceil() as u64).clamp(1, 10_000)
        }
    }
}

/// `0-3,7` as bits, the lowest first.
fn mask(what: &'static str, list: &str) -> Result<Vec<u8>> {
    let malformed = || Error::Limit(what, list.to_owned());
    let number = |text: &str| text.trim().parse::<u16>().map_err(|_| malformed());
    let mut bits = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(malformed());
        }
        for bit in usize::from(first)..=usize::from(last) {
            if bits.len() <= bit / 8 {
                bits.resize(bit / 8 + 1, 0);
            }
            bits[bit / 8] |= 1 << (bit % 8);
        }
    }
    Ok(bits)
}

#[cfg(test)]
mod tests;

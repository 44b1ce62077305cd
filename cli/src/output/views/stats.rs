//! Rows of `stats`: docker's fields and headers.

use serde_json::{Value as Json, json};

use crate::output::units;

/// docker's default.
pub const TABLE: &str = "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
/// A header for each field.
pub const HEADERS: &[(&str, &str)] = &[
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

/// A container.
#[derive(Debug, Clone)]
pub struct Row {
    /// All of its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// As it was asked for.
    pub asked: String,
    /// `None`: it does not run.
    pub usage: Option<Usage>,
}

/// What one that runs uses; sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Processors.
    pub cpu: f64,
    /// Memory.
    pub memory: u64,
    /// Its limit; `None`: what the machine has.
    pub limit: Option<u64>,
    /// From the network.
    pub received: u64,
    /// To the network.
    pub sent: u64,
    /// From disks.
    pub read: u64,
    /// To disks.
    pub written: u64,
    /// Tasks.
    pub pids: u64,
}

/// The fields of a row; `truncate` cuts the id.
#[must_use]
pub fn fields(row: &Row, truncate: bool) -> Json {
    let id = if truncate { row.id.get(..12).unwrap_or(&row.id) } else { &row.id };
    let usage = row.usage.unwrap_or(Usage {
        cpu: 0.0,
        memory: 0,
        limit: Some(0),
        received: 0,
        sent: 0,
        read: 0,
        written: 0,
        pids: 0,
    });
    let limit = usage.limit.unwrap_or_else(all_memory);
    let pair = |one, other| format!("{} / {}", units::decimal(one), units::decimal(other));
    json!({
        "Container": row.asked,
        "ID": id,
        "Name": row.name,
        "CPUPerc": format!("{:.2}%", usage.cpu * 100.0),
        "MemUsage": format!("{} / {}", units::binary(usage.memory), units::binary(limit)),
        "MemPerc": format!("{:.2}%", share(usage.memory, limit)),
        "NetIO": pair(usage.received, usage.sent),
        "BlockIO": pair(usage.read, usage.written),
        "PIDs": usage.pids.to_string(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

/// Bytes of the machine's memory.
#[must_use]
pub fn all_memory() -> u64 {
    let info = rustix::system::sysinfo();
    #[allow(clippy::useless_conversion, reason = "wider than the fields of some machines")]
    let total = u64::from(info.totalram);
    total * u64::from(info.mem_unit.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::template;

    /// The lines are those of docker's reference of `container stats`.
    #[test]
    fn stats_prints_dockers_columns() {
        let row = Row {
            id: "b95a83497c9161c9b444e3d70e1a9dfba0c1840d41720e146a95a08ebf938afc".into(),
            name: "awesome_brattain".into(),
            asked: "awesome_brattain".into(),
            usage: Some(Usage {
                cpu: 0.0028,
                memory: 5_897_191,
                limit: Some(2_087_354_368),
                received: 916,
                sent: 0,
                read: 147_000,
                written: 0,
                pids: 9,
            }),
        };
        let ended = Row { name: "over".into(), usage: None, ..row.clone() };
        let rows = [fields(&row, true), fields(&ended, true)];
        let text = template::list(None, TABLE, HEADERS, &rows).unwrap();
        insta::assert_snapshot!(text, @r"
        CONTAINER ID   NAME               CPU %     MEM USAGE / LIMIT     MEM %     NET I/O     BLOCK I/O    PIDS
        b95a83497c91   awesome_brattain   0.28%     5.624MiB / 1.944GiB   0.28%     916B / 0B   147kB / 0B   9
        b95a83497c91   over               0.00%     0B / 0B               0.00%     0B / 0B     0B / 0B      0
        ");
    }
}

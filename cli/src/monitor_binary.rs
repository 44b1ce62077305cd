//! The monitor's program, carried inside this one.

use isopod_runtime::MonitorProgram;

/// As `build.rs` built it.
pub(crate) const MONITOR: MonitorProgram = MonitorProgram::Embedded {
    bytes: include_bytes!(concat!(env!("OUT_DIR"), "/isopod-monitor")),
    sha256: env!("ISOPOD_MONITOR_SHA256"),
};

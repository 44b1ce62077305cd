//! The few settings of the host that networks need, and no other: forwarding, `route_localnet` on our own
//! bridges, and `accept_ra` of devices that forwarding would cut off.
//!
//! `/proc/sys/net` shows each thread its own network namespace.

use std::path::Path;
use std::{fs, io};

use crate::error::{Error, Result};

const NET: &str = "/proc/sys/net";

/// Lets the host forward IPv4.
///
/// # Errors
///
/// What the kernel says.
pub fn forward_ipv4() -> Result<()> {
    set(&Path::new(NET).join("ipv4/ip_forward"), "1")
}

/// Lets the host forward IPv6. A host that forwards no longer heeds router advertisements with which it
/// may have found its own default route: devices that do now, go on (`accept_ra` 2).
///
/// # Errors
///
/// What the kernel says.
pub fn forward_ipv6() -> Result<()> {
    let all = Path::new(NET).join("ipv6/conf/all/forwarding");
    if read(&all)? == "1" {
        return Ok(());
    }
    let devices = Path::new(NET).join("ipv6/conf");
    for device in fs::read_dir(&devices).map_err(|e| failed("list", &devices, e))?.flatten() {
        let name = device.file_name();
        let accept = device.path().join("accept_ra");
        if name != "all" && name != "default" && read(&accept).is_ok_and(|value| value == "1") {
            set(&accept, "2")?;
        }
    }
    set(&all, "1")
}

/// Lets connections to 127.0.0.1 be led to containers behind `device`, one of our own bridges. The rules
/// see to it that nothing behind it reaches the host's loopback in turn.
///
/// # Errors
///
/// What the kernel says.
pub fn route_localnet(device: &str) -> Result<()> {
    set(&Path::new(NET).join("ipv4/conf").join(device).join("route_localnet"), "1")
}

/// Whether this host can have IPv6 addresses at all.
#[must_use]
pub fn has_ipv6() -> bool {
    Path::new(NET).join("ipv6").exists()
}

/// Lets `device` have IPv6 addresses where the default is that none has.
///
/// # Errors
///
/// What the kernel says.
pub fn enable_ipv6(device: &str) -> Result<()> {
    set(&Path::new(NET).join("ipv6/conf").join(device).join("disable_ipv6"), "0")
}

/// Tells the neighbours of an address's new owner when `device` goes up.
///
/// # Errors
///
/// What the kernel says.
pub fn announce(device: &str) -> Result<()> {
    set(&Path::new(NET).join("ipv4/conf").join(device).join("arp_notify"), "1")
}

fn read(path: &Path) -> Result<String> {
    Ok(fs::read_to_string(path).map_err(|e| failed("read", path, e))?.trim().to_owned())
}

/// Writes only what differs: whoever may not write need not.
fn set(path: &Path, value: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|now| now.trim() == value) {
        return Ok(());
    }
    fs::write(path, value).map_err(|e| failed("set", path, e))
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Kernel { action, object: path.display().to_string(), source }
}

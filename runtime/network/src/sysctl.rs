//! The few settings of the host that networks need, and no other: forwarding, `route_localnet` and
//! `accept_ra` of our own bridges, and `accept_ra` of devices that forwarding would cut off.
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

/// Whether the host forwards IPv6 already.
#[must_use]
pub fn forwards_ipv6() -> bool {
    read(&Path::new(NET).join("ipv6/conf/all/forwarding")).is_ok_and(|value| value == "1")
}

/// Lets the host forward IPv6. A host that forwards no longer heeds router advertisements, with which it
/// may have found its own way out: `led_by_routers`, the devices that such routes lead through, go on
/// heeding them (`accept_ra` 2).
///
/// # Errors
///
/// What the kernel says.
pub fn forward_ipv6(led_by_routers: &[String]) -> Result<()> {
    for device in led_by_routers {
        let accept = Path::new(NET).join("ipv6/conf").join(device).join("accept_ra");
        if read(&accept)? == "1" {
            set(&accept, "2")?;
        }
    }
    set(&Path::new(NET).join("ipv6/conf/all/forwarding"), "1")
}

/// Keeps whoever is behind `device` from being the router of whose device it is, the host or a container: a
/// container that advertises itself as one would get their traffic (CVE-2020-13401).
///
/// # Errors
///
/// What the kernel says.
pub fn heed_no_routers(device: &str) -> Result<()> {
    set(&Path::new(NET).join("ipv6/conf").join(device).join("accept_ra"), "0")
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

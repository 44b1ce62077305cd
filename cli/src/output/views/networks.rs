//! Rows of `network ls`: docker's fields and headers.

use isopod_runtime::network::Network;
use serde_json::{Value as Json, json};

use super::containers::short_id;
use super::labels;
use crate::output::time;

/// docker's default for `network ls`.
pub const TABLE: &str = "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";
/// A header for each field.
pub const HEADERS: &[(&str, &str)] = &[
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
];

/// The fields of a row; `truncate` shortens ids.
#[must_use]
pub fn fields(network: &Network, truncate: bool) -> Json {
    let record = &network.record;
    json!({
        "CreatedAt": time::go_default(network.created),
        "Driver": record.driver.as_str(),
        "ID": if truncate { short_id(&network.id) } else { &network.id },
        "IPv4": has_ipv4(network).to_string(),
        "IPv6": record.ipv6.is_some().to_string(),
        "Internal": record.internal.to_string(),
        "Labels": labels::joined(&network.labels, ""),
        "Name": network.name,
        "Scope": "local",
        "_labels": network.labels,
    })
}

/// Those without addresses of their own have the host's, or none to speak of: docker calls that IPv4.
pub(super) fn has_ipv4(network: &Network) -> bool {
    network.record.ipv4.is_some() || network.record.ipv6.is_none()
}

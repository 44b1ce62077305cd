//! A network as docker's `network inspect` writes it.

use isopod_runtime::network::{Endpoint, Network, Pool};
use serde_json::{Map, Value as Json, json};

use super::networks::has_ipv4;
use crate::output::time;

/// The object; `members` are the containers on it, by name.
#[must_use]
pub fn json(network: &Network, members: &[(String, Endpoint)]) -> Json {
    let record = &network.record;
    let pools: Vec<Json> = record.ipv4.iter().chain(&record.ipv6).map(pool).collect();
    let members: Map<String, Json> = members
        .iter()
        .map(|(name, endpoint)| (endpoint.container.clone(), member(network, name, endpoint)))
        .collect();
    json!({
        "Name": network.name,
        "Id": network.id,
        "Created": time::rfc3339_nano(network.created),
        "Scope": "local",
        "Driver": record.driver.as_str(),
        "EnableIPv4": has_ipv4(network),
        "EnableIPv6": record.ipv6.is_some(),
        "IPAM": {
            "Driver": "default",
            "Options": {},
            "Config": pools,
        },
        "Internal": record.internal,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": members,
        "Options": options(network),
        "Labels": network.labels,
    })
}

/// The bridge's name is a choice of ours where nobody made one, and what people look for.
fn options(network: &Network) -> Json {
    let mut options = network.record.options.clone();
    if !network.record.device.is_empty() {
        let name = "com.docker.network.bridge.name".to_owned();
        options.entry(name).or_insert_with(|| network.record.device.clone());
    }
    json!(options)
}

fn pool(pool: &Pool) -> Json {
    let mut fields = Map::new();
    fields.insert("Subnet".to_owned(), pool.subnet.to_string().into());
    if let Some(range) = pool.range {
        fields.insert("IPRange".to_owned(), range.to_string().into());
    }
    if let Some(gateway) = pool.gateway {
        fields.insert("Gateway".to_owned(), gateway.to_string().into());
    }
    if !pool.reserved.is_empty() {
        fields.insert("AuxiliaryAddresses".to_owned(), json!(pool.reserved));
    }
    Json::Object(fields)
}

fn member(network: &Network, name: &str, endpoint: &Endpoint) -> Json {
    let record = &network.record;
    let with_prefix = |address: Option<String>, pool: &Option<Pool>| match (address, pool) {
        (Some(address), Some(pool)) => format!("{address}/{}", pool.subnet.length),
        _ => String::new(),
    };
    json!({
        "Name": name,
        "EndpointID": endpoint.record.id,
        "MacAddress": endpoint.record.mac.clone().unwrap_or_default(),
        "IPv4Address": with_prefix(endpoint.ip.map(|ip| ip.to_string()), &record.ipv4),
        "IPv6Address": with_prefix(endpoint.ip6.map(|ip| ip.to_string()), &record.ipv6),
    })
}

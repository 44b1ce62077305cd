//! What docker's `inspect` says of a container's networks and ports.

use std::collections::BTreeMap;
use std::net::IpAddr;

use isopod_runtime::container::{Attachment, Network as Setting, Port, Publish, Settings};
use isopod_runtime::network::{Endpoint, Network, Pool, Published};
use serde_json::{Map, Value as Json, json};

use super::ports::word;

/// A container's place on a network, as far as it is known.
#[derive(Debug)]
pub struct Place {
    /// The network's name, or what stands for it (`host`, `ns:/run/netns/x`).
    pub name: String,
    /// The network; `None` where it is none of ours, or gone.
    pub network: Option<Network>,
    /// What was asked for.
    pub attachment: Option<Attachment>,
    /// What it has while it runs.
    pub endpoint: Option<Endpoint>,
}

/// What docker calls the network: its first one.
#[must_use]
pub fn mode(network: &Setting) -> String {
    names(network).into_iter().next().unwrap_or_else(|| "none".to_owned())
}

/// The networks that it is on, by name.
#[must_use]
pub fn names(network: &Setting) -> Vec<String> {
    match network {
        Setting::None => vec!["none".to_owned()],
        Setting::Host => vec!["host".to_owned()],
        Setting::Namespace(path) => vec![format!("ns:{}", path.display())],
        Setting::Container(id) => vec![format!("container:{id}")],
        Setting::Networks(all) => {
            all.iter().filter(|one| !one.leaving).map(|one| one.network.clone()).collect()
        }
    }
}

/// `NetworkSettings`.
#[must_use]
pub fn json(places: &[Place], exposed: &[Port], netns: &str) -> Json {
    let published: Vec<Published> = places
        .iter()
        .filter_map(|place| place.endpoint.as_ref())
        .flat_map(|endpoint| endpoint.record.ports.clone())
        .collect();
    let is_up = places.iter().any(|place| place.endpoint.is_some());
    let bridge = places.iter().find(|place| place.name == "bridge").map(addresses);
    let networks: Map<String, Json> = places
        .iter()
        .filter(|place| !place.name.starts_with("container:"))
        .map(|place| (place.name.clone(), endpoint(place)))
        .collect();
    let mut object = json!({
        "Bridge": "",
        "SandboxID": "",
        "SandboxKey": netns,
        "Ports": if is_up { ports(exposed, &published) } else { json!({}) },
        "Networks": networks,
    });
    // The default bridge's, where old scripts look for them.
    if let (Json::Object(fields), Json::Object(own)) =
        (&mut object, bridge.unwrap_or_else(no_addresses))
    {
        fields.extend(own);
    }
    object
}

/// `HostConfig.PortBindings`: what was asked for.
#[must_use]
pub fn bindings(publish: &[Publish]) -> Json {
    let mut all: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for one in publish {
        let port = match (one.host_port, one.host_port_end) {
            (Some(first), Some(last)) => format!("{first}-{last}"),
            (Some(port), None) => port.to_string(),
            (None, _) => String::new(),
        };
        let ip = one.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
        let binding = json!({ "HostIp": ip, "HostPort": port });
        all.entry(name(one.container)).or_default().push(binding);
    }
    json!(all)
}

/// `Config.ExposedPorts`: those of the image, those that were exposed or published.
#[must_use]
pub fn exposed(exposed: &[Port], settings: &Settings) -> Option<Json> {
    let published = settings.publish.iter().map(|one| one.container);
    let all: Map<String, Json> =
        exposed.iter().copied().chain(published).map(|port| (name(port), json!({}))).collect();
    (!all.is_empty()).then_some(Json::Object(all))
}

/// `HostConfig.ExtraHosts`.
#[must_use]
pub fn extra_hosts(settings: &Settings) -> Json {
    if settings.extra_hosts.is_empty() {
        return Json::Null;
    }
    let line = |host: &isopod_runtime::container::ExtraHost| match host.ip {
        Some(ip) => format!("{}:{ip}", host.name),
        None => format!("{}:host-gateway", host.name),
    };
    json!(settings.extra_hosts.iter().map(line).collect::<Vec<_>>())
}

/// `null` for a port that is exposed and not published.
fn ports(exposed: &[Port], published: &[Published]) -> Json {
    let mut all: BTreeMap<String, Json> =
        exposed.iter().map(|port| (name(*port), Json::Null)).collect();
    for one in published {
        let port = Port { port: one.target.port(), protocol: one.protocol };
        let binding = json!({
            "HostIp": one.host.ip().to_string(),
            "HostPort": one.host.port().to_string(),
        });
        match all.entry(name(port)).or_insert(Json::Null) {
            Json::Array(bindings) => bindings.push(binding),
            other => *other = json!([binding]),
        }
    }
    json!(all)
}

fn name(port: Port) -> String {
    format!("{}/{}", port.port, word(port.protocol))
}

fn endpoint(place: &Place) -> Json {
    let attachment = place.attachment.clone().unwrap_or_default();
    let record = place.endpoint.as_ref().map(|endpoint| &endpoint.record);
    let config = match (attachment.ip, attachment.ip6) {
        (None, None) => Json::Null,
        (ip, ip6) => {
            let mut config = Map::new();
            config.extend(ip.map(|ip| ("IPv4Address".to_owned(), ip.to_string().into())));
            config.extend(ip6.map(|ip| ("IPv6Address".to_owned(), ip.to_string().into())));
            Json::Object(config)
        }
    };
    let names = record.map(|record| record.names.clone()).filter(|names| !names.is_empty());
    let mut object = json!({
        "IPAMConfig": config,
        "Links": null,
        "Aliases": if attachment.aliases.is_empty() { Json::Null } else { json!(attachment.aliases) },
        "DriverOpts": null,
        "GwPriority": attachment.gateway_priority,
        "NetworkID": place.network.as_ref().map(|network| network.id.clone()).unwrap_or_default(),
        "DNSNames": names,
    });
    if let (Json::Object(fields), Json::Object(own)) = (&mut object, addresses(place)) {
        fields.extend(own);
    }
    object
}

fn addresses(place: &Place) -> Json {
    let (Some(network), Some(endpoint)) = (&place.network, &place.endpoint) else {
        return no_addresses();
    };
    let gateway = |pool: &Option<Pool>| {
        let gateway = pool.as_ref().and_then(|pool| pool.gateway);
        gateway.map(|gateway: IpAddr| gateway.to_string()).unwrap_or_default()
    };
    let prefix = |has: bool, pool: &Option<Pool>| {
        pool.as_ref().filter(|_| has).map_or(0, |pool| pool.subnet.length)
    };
    let (v4, v6) = (&network.record.ipv4, &network.record.ipv6);
    json!({
        "EndpointID": endpoint.record.id,
        "Gateway": gateway(v4),
        "GlobalIPv6Address": endpoint.ip6.map(|ip| ip.to_string()).unwrap_or_default(),
        "GlobalIPv6PrefixLen": prefix(endpoint.ip6.is_some(), v6),
        "IPAddress": endpoint.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        "IPPrefixLen": prefix(endpoint.ip.is_some(), v4),
        "IPv6Gateway": gateway(v6),
        "MacAddress": endpoint.record.mac.clone().unwrap_or_default(),
    })
}

fn no_addresses() -> Json {
    json!({
        "EndpointID": "",
        "Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "MacAddress": "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use isopod_runtime::container::Protocol;

    fn tcp(port: u16) -> Port {
        Port { port, protocol: Protocol::Tcp }
    }

    /// The shapes are those of docker's reference of the engine's API (`ContainerInspect`).
    #[test]
    fn ports_are_where_docker_has_them() {
        let published = Published {
            protocol: Protocol::Tcp,
            host: "[::]:8080".parse().unwrap(),
            target: "172.17.0.2:80".parse().unwrap(),
        };
        let other = Published { host: "0.0.0.0:8080".parse().unwrap(), ..published };
        assert_eq!(
            ports(&[tcp(80), tcp(443)], &[other, published]),
            json!({
                "443/tcp": null,
                "80/tcp": [
                    { "HostIp": "0.0.0.0", "HostPort": "8080" },
                    { "HostIp": "::", "HostPort": "8080" },
                ],
            })
        );
        let publish = Publish {
            host_ip: Some("127.0.0.1".parse().unwrap()),
            host_port: Some(8000),
            host_port_end: Some(8010),
            container: tcp(80),
        };
        assert_eq!(
            bindings(&[publish]),
            json!({ "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8000-8010" }] })
        );
        let settings = Settings { publish: vec![publish], ..Settings::default() };
        assert_eq!(exposed(&[tcp(443)], &settings), Some(json!({ "443/tcp": {}, "80/tcp": {} })));
    }

    #[test]
    fn one_that_does_not_run_has_networks_and_no_addresses() {
        let attachment = Attachment {
            network: "web".into(),
            ip: Some([10, 0, 0, 9].into()),
            ..Attachment::default()
        };
        let place = Place {
            name: "web".into(),
            network: None,
            attachment: Some(attachment),
            endpoint: None,
        };
        let shown = json(&[place], &[tcp(80)], "");
        assert_eq!(shown["Ports"], json!({}));
        assert_eq!(shown["Networks"]["web"]["IPAddress"], "");
        assert_eq!(shown["Networks"]["web"]["IPAMConfig"]["IPv4Address"], "10.0.0.9");
        assert_eq!(shown["IPAddress"], "");
    }
}

//! Ports as docker's command line writes them: `[IP:][PORT[-PORT]:]PORT[-PORT][/PROTOCOL]`.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use isopod_runtime::container::{Port, Protocol, Publish};

use crate::error::Error;

/// What `--publish` says, an entry for each port of the container.
///
/// # Errors
/// No such port, address or protocol; ranges that don't fit each other.
pub fn publish(text: &str) -> Result<Vec<Publish>, Error> {
    let error = |reason: &str| invalid("--publish", text, reason);
    let (spec, protocol) = split_protocol(text).map_err(error)?;
    let (ip, rest) = split_address(spec).map_err(error)?;
    let (host, container) = match rest.rsplit_once(':') {
        Some((host, container)) => (host, container),
        None => ("", rest),
    };
    if container.is_empty() {
        return Err(error("it names no port of the container"));
    }
    let container = range(container).map_err(error)?;
    let host = match host {
        "" => None,
        host => Some(range(host).map_err(error)?),
    };
    let Some(host) = host else {
        let free = |port| (None, None, port);
        return Ok(container.map(free).map(|parts| entry(ip, parts, protocol)).collect());
    };
    let (there, here) = (container.len(), host.len());
    if there == 1 && here > 1 {
        // The first of them that is free.
        let parts = (Some(*host.start()), Some(*host.end()), *container.start());
        return Ok(vec![entry(ip, parts, protocol)]);
    }
    if there != here {
        return Err(error("the two ranges differ in length"));
    }
    let pairs = host.zip(container).map(|(host, port)| (Some(host), None, port));
    Ok(pairs.map(|parts| entry(ip, parts, protocol)).collect())
}

/// What `--expose` says.
///
/// # Errors
/// No such port or protocol.
pub fn expose(text: &str) -> Result<Vec<Port>, Error> {
    let error = |reason: &str| invalid("--expose", text, reason);
    let (spec, protocol) = split_protocol(text).map_err(error)?;
    Ok(range(spec).map_err(error)?.map(|port| Port { port, protocol }).collect())
}

/// One port with an optional protocol, as `port` takes it.
///
/// # Errors
/// No such port or protocol.
pub fn one(text: &str) -> Result<Port, Error> {
    let error = |reason: &str| invalid("port", text, reason);
    let (spec, protocol) = split_protocol(text).map_err(error)?;
    let port = range(spec).map_err(error)?;
    match port.len() {
        1 => Ok(Port { port: *port.start(), protocol }),
        _ => Err(error("it is a range")),
    }
}

fn entry(
    host_ip: Option<IpAddr>,
    (host_port, host_port_end, port): (Option<u16>, Option<u16>, u16),
    protocol: Protocol,
) -> Publish {
    Publish { host_ip, host_port, host_port_end, container: Port { port, protocol } }
}

fn split_protocol(text: &str) -> Result<(&str, Protocol), &'static str> {
    let (spec, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Ok((spec, Protocol::Tcp)),
        "udp" => Ok((spec, Protocol::Udp)),
        "sctp" => Ok((spec, Protocol::Sctp)),
        _ => Err("protocols are tcp, udp and sctp"),
    }
}

/// An address is what comes before two colons; one of IPv6 is in brackets.
fn split_address(spec: &str) -> Result<(Option<IpAddr>, &str), &'static str> {
    const NO_ADDRESS: &str = "it begins with no address";
    if let Some(rest) = spec.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or("a bracket is not closed")?;
        let address = IpAddr::V6(address.parse().map_err(|_| NO_ADDRESS)?);
        // As of IPv4: behind an address stands a port of the host, or nothing between two colons.
        let rest = rest.strip_prefix(':').filter(|rest| rest.contains(':'));
        return Ok((
            Some(address),
            rest.ok_or("behind an address it names two ports, or [::1]::80")?,
        ));
    }
    match spec.matches(':').count() {
        0 | 1 => Ok((None, spec)),
        2 => {
            let (address, rest) = spec.split_once(':').ok_or(NO_ADDRESS)?;
            let address = match address {
                "" => None,
                address => Some(IpAddr::V4(address.parse().map_err(|_| NO_ADDRESS)?)),
            };
            Ok((address, rest))
        }
        _ => Err("it has too many colons: an IPv6 address belongs in brackets"),
    }
}

fn range(text: &str) -> Result<RangeInclusive<u16>, &'static str> {
    const NO_PORT: &str = "ports are numbers from 1 to 65535";
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port > 0).ok_or(NO_PORT)
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err("a range begins with its least port");
    }
    Ok(first..=last)
}

fn invalid(what: &'static str, value: &str, reason: &str) -> Error {
    Error::Value { what, value: value.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::Regex;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The form in docker's page on `--publish`, written as a regular expression, and the numbers in it.
        #[test]
        fn what_is_published_is_what_the_form_says(
            text in "(([0-9]{1,3}\\.){3}[0-9]{1,3}:|\\[[0-9a-f:]{2,6}\\]:|:)?([0-9]{1,5}(-[0-9]{1,5})?)?:?[0-9]{1,5}(-[0-9]{1,5})?(/(tcp|udp|sctp|TCP|icmp))?|[0-9:./-]{0,14}"
        ) {
            let address = r"(?:(?<v4>[0-9.]+)|\[(?<v6>[0-9a-f:.]+)\])?";
            let form = format!(
                r"\A(?:{address}:(?<with>[0-9-]*):|(?<without>[0-9-]*):)?(?<port>[0-9-]+)(?:/(?<protocol>(?i:tcp|udp|sctp)))?\z"
            );
            let expected = by_the_form(&Regex::new(&form).unwrap(), &text);
            prop_assert_eq!(publish(&text).ok(), expected, "{}", text);
        }
    }

    fn numbers(text: &str) -> Option<Vec<u16>> {
        let form = Regex::new(r"\A([0-9]+)(?:-([0-9]+))?\z").unwrap();
        let found = form.captures(text)?;
        let number = |nth| found.get(nth).map(|one| one.as_str().parse::<u16>().unwrap_or(0));
        let (first, last) = (number(1)?, number(2).unwrap_or(number(1)?));
        (first > 0 && first <= last).then(|| (first..=last).collect())
    }

    fn by_the_form(form: &Regex, text: &str) -> Option<Vec<Publish>> {
        let found = form.captures(text)?;
        let part = |name| found.name(name).map(|part| part.as_str());
        let host_ip = match (part("v4"), part("v6")) {
            (Some(address), _) => Some(IpAddr::V4(address.parse().ok()?)),
            (_, Some(address)) => Some(IpAddr::V6(address.parse().ok()?)),
            _ => None,
        };
        let protocol = match part("protocol").unwrap_or("tcp").to_lowercase().as_str() {
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => Protocol::Tcp,
        };
        let ports = numbers(part("port")?)?;
        let hosts = match part("with").or(part("without")).filter(|hosts| !hosts.is_empty()) {
            Some(hosts) => numbers(hosts)?,
            None => Vec::new(),
        };
        let published = |host_port, host_port_end, port| Publish {
            host_ip,
            host_port,
            host_port_end,
            container: Port { port, protocol },
        };
        Some(match (&hosts[..], &ports[..]) {
            ([], ports) => ports.iter().map(|port| published(None, None, *port)).collect(),
            // Any of several for one.
            ([first, .., last], [port]) => vec![published(Some(*first), Some(*last), *port)],
            (hosts, ports) if hosts.len() == ports.len() => {
                let pairs = hosts.iter().zip(ports);
                pairs.map(|(host, port)| published(Some(*host), None, *port)).collect()
            }
            _ => return None,
        })
    }

    fn shown(text: &str) -> Vec<String> {
        let publish = publish(text).unwrap();
        publish
            .iter()
            .map(|one| {
                let ip = one.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
                let port = one.host_port.map(|port| port.to_string()).unwrap_or_default();
                let end = one.host_port_end.map(|port| format!("-{port}")).unwrap_or_default();
                format!("{ip} {port}{end} {}/{:?}", one.container.port, one.container.protocol)
            })
            .collect()
    }

    /// The forms of docker's page on publishing ports.
    #[test]
    fn ports_are_published_in_every_form() {
        for (text, expected) in [
            ("80", &[" 80/Tcp"][..]),
            ("8080:80", &[" 8080 80/Tcp"]),
            ("8080:80/udp", &[" 8080 80/Udp"]),
            ("127.0.0.1:8080:80", &["127.0.0.1 8080 80/Tcp"]),
            ("127.0.0.1::80", &["127.0.0.1  80/Tcp"]),
            ("[::1]:8080:80", &["::1 8080 80/Tcp"]),
            ("[::1]::80", &["::1  80/Tcp"]),
            ("7000-7001:8000-8001", &[" 7000 8000/Tcp", " 7001 8001/Tcp"]),
            ("8000-8001", &["  8000/Tcp", "  8001/Tcp"]),
            ("8000-9000:80", &[" 8000-9000 80/Tcp"]),
            (":80", &["  80/Tcp"]),
        ] {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let shown: Vec<_> = shown(text).iter().map(|text| words(text)).collect();
            let expected: Vec<_> = expected.iter().map(|text| words(text)).collect();
            assert_eq!(shown, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for wrong in [
            "",
            ":",
            "80:",
            "0",
            "65536",
            "-1",
            "80-79",
            "a:80",
            "80/icmp",
            "1-2:3-5",
            "1.2.3:80:80",
            "::1:80:80",
            "[::1]80",
            "[::1]:80",
            "[::1",
            "+80",
            "1-3:5-6",
            "[1.2.3.4]:80:80",
        ] {
            assert!(publish(wrong).is_err(), "{wrong}");
        }
        assert!(expose("80:80").is_err() && one("80-81").is_err());
        assert_eq!(expose("80-82/udp").unwrap().len(), 3);
        assert_eq!(one("53/udp").unwrap(), Port { port: 53, protocol: Protocol::Udp });
    }
}

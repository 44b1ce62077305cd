//! The options of `run` and `create` that are about networks, and what the library is told of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use isopod_runtime::container::{Attachment, ExtraHost, Network, Settings};
use isopod_runtime::network::{self, parse_mac};

use super::ports;
use crate::error::Error;

/// How the container is connected.
#[derive(Debug, Default, clap::Args)]
pub struct Networking {
    /// Add a line to /etc/hosts (NAME:IP, or NAME:host-gateway for the host)
    #[arg(long, value_name = "NAME:IP")]
    pub add_host: Vec<String>,
    /// Name server instead of the host's
    #[arg(long, value_name = "IP")]
    pub dns: Vec<IpAddr>,
    /// Option of resolv.conf instead of the host's
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// Search domain instead of the host's; . for none
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// Say that it listens on a port (PORT[-PORT][/PROTOCOL])
    #[arg(long, value_name = "PORT")]
    pub expose: Vec<String>,
    /// Its IPv4 address
    #[arg(long, value_name = "IP")]
    pub ip: Option<Ipv4Addr>,
    /// Its IPv6 address
    #[arg(long, value_name = "IP")]
    pub ip6: Option<Ipv6Addr>,
    /// Its hardware address, as in 02:42:ac:11:00:02
    #[arg(long, value_name = "MAC")]
    pub mac_address: Option<String>,
    /// Network: a name, none, host, container:NAME or ns:PATH; or name=NAME,alias=…,ip=…,ip6=…,mac-address=…,gw-priority=…
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    pub network: Vec<String>,
    /// Name beside its own, for other containers of the network
    #[arg(long, visible_alias = "net-alias", value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// Publish a port on the host ([IP:][PORT:]PORT[/PROTOCOL], ranges too)
    #[arg(short, long, value_name = "PORT")]
    pub publish: Vec<String>,
    /// Publish all exposed ports on free ports of the host
    #[arg(short = 'P', long)]
    pub publish_all: bool,
}

/// Tells the library what the options say.
///
/// # Errors
/// A value that can't be meant; options that exclude each other.
pub fn apply(options: &Networking, settings: &mut Settings) -> Result<(), Error> {
    settings.network = network(options)?;
    for text in &options.publish {
        settings.publish.extend(ports::publish(text)?);
    }
    settings.publish_all = options.publish_all;
    for text in &options.expose {
        settings.expose.extend(ports::expose(text)?);
    }
    settings.dns.clone_from(&options.dns);
    for search in &options.dns_search {
        settings.dns_search.push(word("--dns-search", search)?);
    }
    for option in &options.dns_option {
        settings.dns_options.push(word("--dns-option", option)?);
    }
    for text in &options.add_host {
        settings.extra_hosts.push(extra_host(text)?);
    }
    refuse_conflicts(options, settings)
}

/// The network that `--network` and its kin describe.
fn network(options: &Networking) -> Result<Network, Error> {
    let alone = |mode: &str, network: Network| match options.network.len() {
        1 => Ok(network),
        _ => Err(refused(
            &options.network.join(" "),
            &format!("the network {mode} can't be had beside others"),
        )),
    };
    for text in &options.network {
        if let Some(path) = text.strip_prefix("ns:") {
            return match path.starts_with('/') {
                true => alone("ns:PATH", Network::Namespace(PathBuf::from(path))),
                false => Err(refused(text, "the path of a network namespace is absolute")),
            };
        }
        if let Some(name) = text.strip_prefix("container:") {
            return match name {
                "" => Err(refused(text, "it names no container")),
                name => alone("container:NAME", Network::Container(name.to_owned())),
            };
        }
        match text.as_str() {
            "none" => return alone("none", Network::None),
            "host" => return alone("host", Network::Host),
            _ => {}
        }
    }
    let mut attachments = match options.network.is_empty() {
        true => vec![named(network::DEFAULT)],
        false => options.network.iter().map(|text| attachment(text)).collect::<Result<_, _>>()?,
    };
    add_to_first(options, &mut attachments[0])?;
    Ok(Network::Networks(attachments))
}

/// `--network-alias`, `--ip`, `--ip6` and `--mac-address` mean the first network.
fn add_to_first(options: &Networking, first: &mut Attachment) -> Result<(), Error> {
    let twice = |flag: &str, part: &str| {
        Error::Argument(format!("{flag} and {part}= in --network exclude each other"))
    };
    if !options.network_alias.is_empty() {
        if !first.aliases.is_empty() {
            return Err(twice("--network-alias", "alias"));
        }
        first.aliases.clone_from(&options.network_alias);
    }
    for alias in &first.aliases {
        check_alias(alias)?;
    }
    match (options.ip, first.ip) {
        (Some(_), Some(_)) => return Err(twice("--ip", "ip")),
        (given, per_network) => first.ip = given.or(per_network),
    }
    match (options.ip6, first.ip6) {
        (Some(_), Some(_)) => return Err(twice("--ip6", "ip6")),
        (given, per_network) => first.ip6 = given.or(per_network),
    }
    if let Some(mac) = &options.mac_address {
        if first.mac.is_some() {
            return Err(twice("--mac-address", "mac-address"));
        }
        first.mac = Some(checked_mac("--mac-address", mac)?);
    }
    Ok(())
}

fn named(name: &str) -> Attachment {
    Attachment { network: name.to_owned(), ..Attachment::default() }
}

/// `NAME`, or `name=NAME,alias=…,…`.
fn attachment(text: &str) -> Result<Attachment, Error> {
    if text.is_empty() {
        return Err(refused(text, "it names no network"));
    }
    if !text.contains('=') {
        return Ok(named(text));
    }
    let mut attachment = Attachment::default();
    for part in text.split(',') {
        let (key, value) =
            part.split_once('=').ok_or_else(|| refused(text, &format!("{part} has no =")))?;
        let no_address = || refused(text, &format!("{value} is no address of this kind"));
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => value.clone_into(&mut attachment.network),
            "alias" => attachment.aliases.push(value.to_owned()),
            "ip" => attachment.ip = Some(value.parse().map_err(|_| no_address())?),
            "ip6" => attachment.ip6 = Some(value.parse().map_err(|_| no_address())?),
            "mac-address" => attachment.mac = Some(checked_mac("--network", value)?),
            "gw-priority" => {
                let number = || refused(text, &format!("gw-priority {value} is no number"));
                attachment.gateway_priority = value.parse().map_err(|_| number())?;
            }
            other => {
                return Err(refused(
                    text,
                    &format!(
                        "{other} is not known: keys are name, alias, ip, ip6, mac-address and \
                         gw-priority"
                    ),
                ));
            }
        }
    }
    match attachment.network.as_str() {
        "" => Err(refused(text, "it names no network: name= is missing")),
        "none" | "host" => Err(refused(text, "this network has no settings")),
        _ => Ok(attachment),
    }
}

/// An alias ends up in a file of names, one a word.
///
/// # Errors
/// It is no name of a host.
pub fn check_alias(alias: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !alias.is_empty() && alias.len() <= 253 && alias.chars().all(plain) {
        true => Ok(()),
        false => Err(Error::Value {
            what: "network alias",
            value: alias.to_owned(),
            reason: "letters, digits, hyphens, underscores and dots make a name".to_owned(),
        }),
    }
}

/// # Errors
/// It is no hardware address of one station.
pub fn checked_mac(what: &'static str, text: &str) -> Result<String, Error> {
    let octets = parse_mac(text).ok_or_else(|| Error::Value {
        what,
        value: text.to_owned(),
        reason: "a hardware address looks like 02:42:ac:11:00:02".to_owned(),
    })?;
    Ok(octets.map(|octet| format!("{octet:02x}")).join(":"))
}

/// `NAME:IP` or `NAME=IP`; an IPv6 address may be in brackets.
fn extra_host(text: &str) -> Result<ExtraHost, Error> {
    let error = |reason: &str| Error::Value {
        what: "--add-host",
        value: text.to_owned(),
        reason: reason.to_owned(),
    };
    let (name, address) = text.split_once(['=', ':']).ok_or_else(|| error("it has no address"))?;
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '#';
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(error("it begins with no name of a host"));
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip = match bare.unwrap_or(address) {
        "host-gateway" => None,
        address => Some(address.parse().map_err(|_| error("it ends with no address"))?),
    };
    Ok(ExtraHost { name: name.to_owned(), ip })
}

/// One word of resolv.conf.
fn word(what: &'static str, text: &str) -> Result<String, Error> {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '#' && c != ';';
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(Error::Value {
            what,
            value: text.to_owned(),
            reason: "it is no word for resolv.conf".to_owned(),
        }),
    }
}

/// What docker refuses too: options that the network leaves no room for.
fn refuse_conflicts(options: &Networking, settings: &Settings) -> Result<(), Error> {
    let excludes = |flag: &str, mode: &str| {
        Err(Error::Argument(format!("{flag} and --network {mode} exclude each other")))
    };
    let has_place = !options.network_alias.is_empty()
        || options.ip.is_some()
        || options.ip6.is_some()
        || options.mac_address.is_some();
    let publishes = !options.publish.is_empty() || options.publish_all;
    match &settings.network {
        Network::Networks(_) => Ok(()),
        mode if has_place => excludes("--network-alias, --ip, --ip6 or --mac-address", words(mode)),
        Network::Container(_) if publishes => excludes("--publish", "container:NAME"),
        Network::Container(_) if !options.expose.is_empty() => {
            excludes("--expose", "container:NAME")
        }
        Network::Container(_) if settings.hostname.is_some() => {
            excludes("--hostname", "container:NAME")
        }
        Network::Container(_) if !options.add_host.is_empty() => {
            excludes("--add-host", "container:NAME")
        }
        Network::Container(_)
            if !options.dns.is_empty()
                || !options.dns_search.is_empty()
                || !options.dns_option.is_empty() =>
        {
            excludes("--dns, --dns-search or --dns-option", "container:NAME")
        }
        mode @ (Network::None | Network::Namespace(_)) if publishes => {
            excludes("--publish", words(mode))
        }
        _ => Ok(()),
    }
}

fn words(network: &Network) -> &'static str {
    match network {
        Network::None => "none",
        Network::Host => "host",
        Network::Namespace(_) => "ns:PATH",
        Network::Container(_) => "container:NAME",
        Network::Networks(_) => "NAME",
    }
}

fn refused(value: &str, reason: &str) -> Error {
    Error::Value { what: "--network", value: value.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(options: &Networking) -> Result<Settings, Error> {
        let mut settings = Settings::default();
        apply(options, &mut settings).map(|()| settings)
    }

    fn on(networks: &[&str]) -> Networking {
        let network = networks.iter().map(|name| (*name).to_owned()).collect();
        Networking { network, ..Networking::default() }
    }

    #[test]
    fn without_a_network_it_is_the_default_bridge() {
        let Network::Networks(all) = settings(&on(&[])).unwrap().network else { panic!("none") };
        assert_eq!(all, [named("bridge")]);
    }

    /// The long form is docker's (`docker run --help`, its page on networks).
    #[test]
    fn networks_are_said_in_short_and_in_long() {
        let long = "name=db,alias=a,alias=b,ip=10.0.0.9,ip6=fd00::9,mac-address=02:42:0A:00:00:09,gw-priority=-1";
        let Network::Networks(all) = settings(&on(&[long, "web"])).unwrap().network else {
            panic!("none")
        };
        let expected = Attachment {
            network: "db".into(),
            aliases: vec!["a".into(), "b".into()],
            ip: Some(Ipv4Addr::new(10, 0, 0, 9)),
            ip6: Some("fd00::9".parse().unwrap()),
            mac: Some("02:42:0a:00:00:09".into()),
            gateway_priority: -1,
            leaving: false,
        };
        assert_eq!(all, [expected, named("web")]);
        assert_eq!(
            settings(&on(&["ns:/proc/1/ns/net"])).unwrap().network,
            Network::Namespace("/proc/1/ns/net".into())
        );
        assert_eq!(
            settings(&on(&["container:web"])).unwrap().network,
            Network::Container("web".into())
        );
    }

    #[test]
    fn flags_mean_the_first_network_and_never_contradict_it() {
        let mut options = on(&["name=db,alias=a", "web"]);
        options.ip = Some(Ipv4Addr::new(10, 0, 0, 7));
        let Network::Networks(all) = settings(&options).unwrap().network else { panic!("none") };
        assert_eq!((all[0].ip, all[1].ip), (options.ip, None));
        options.network_alias = vec!["b".into()];
        assert!(settings(&options).unwrap_err().to_string().contains("--network-alias"));
    }

    #[test]
    fn what_can_not_be_meant_is_refused_by_name() {
        for networks in [
            &["none", "web"][..],
            &["web", "host"],
            &["ns:relative"],
            &["container:"],
            &["name=host,ip=10.0.0.1"],
            &["alias=x"],
            &["name=a,colour=red"],
            &["name=a,ip=fd00::1"],
            &[""],
        ] {
            assert!(settings(&on(networks)).is_err(), "{networks:?}");
        }
        for mac in ["02:42", "01:00:5e:00:00:01"] {
            let options = Networking { mac_address: Some(mac.into()), ..on(&["web"]) };
            assert!(settings(&options).unwrap_err().to_string().contains(mac));
        }
        let options = Networking { network_alias: vec!["a b".into()], ..on(&["web"]) };
        assert!(settings(&options).unwrap_err().to_string().contains("a b"));
    }

    #[test]
    fn networks_that_leave_no_room_exclude_options() {
        for (network, publish, alias, dns) in [
            ("container:web", true, false, false),
            ("container:web", false, true, false),
            ("container:web", false, false, true),
            ("none", true, false, false),
            ("host", false, true, false),
        ] {
            let options = Networking {
                publish: publish.then(|| "80".to_owned()).into_iter().collect(),
                network_alias: alias.then(|| "x".to_owned()).into_iter().collect(),
                dns: dns.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)).into_iter().collect(),
                ..on(&[network])
            };
            let error = settings(&options).unwrap_err().to_string();
            assert!(error.contains("exclude each other"), "{network}: {error}");
        }
        let options = Networking { publish: vec!["80".into()], ..on(&["host"]) };
        assert_eq!(settings(&options).unwrap().network, Network::Host);
    }

    #[test]
    fn hosts_are_names_with_addresses() {
        let host =
            |text| extra_host(text).map(|host| (host.name, host.ip.map(|ip| ip.to_string())));
        assert_eq!(host("db:10.0.0.1").unwrap(), ("db".into(), Some("10.0.0.1".into())));
        assert_eq!(host("db=[fd00::1]").unwrap(), ("db".into(), Some("fd00::1".into())));
        assert_eq!(host("db:fd00::1").unwrap(), ("db".into(), Some("fd00::1".into())));
        assert_eq!(host("up:host-gateway").unwrap(), ("up".into(), None));
        for wrong in ["db", ":10.0.0.1", "db:", "db:nowhere", "a b:10.0.0.1", "a\nb:10.0.0.1"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }
}

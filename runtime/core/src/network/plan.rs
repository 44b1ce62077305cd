//! What a container's settings mean on the networks that there are: which device is which, where the default
//! route leads, through which network ports are published. Nothing is changed here.

use std::collections::BTreeSet;

use isopod_monitor_protocol::launch::Protocol;

use super::endpoint::Wanted;
use super::find::{Network, Networks};
use super::record::DriverKind;
use crate::container::{Attachment, Container, Port, Publish};
use crate::{Error, Result};

/// See the module.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In the order of the devices.
    pub(super) places: Vec<Place>,
    /// Where the default route leads.
    pub(super) default: Option<usize>,
    /// Through which of them ports are published.
    pub(super) publisher: Option<usize>,
    /// What is to be published.
    pub(super) publish: Vec<Publish>,
}

/// One network of a container.
#[derive(Debug)]
pub(super) struct Place {
    pub network: Network,
    pub attachment: Attachment,
}

impl Plan {
    /// For a container on `attachments`.
    ///
    /// # Errors
    /// A network that is not there or can't be joined; the same one twice; ports without a network to publish
    /// them through.
    pub(crate) fn new(
        networks: Networks<'_>,
        container: &Container<'_>,
        attachments: &[Attachment],
    ) -> Result<Self> {
        let places = places(networks, attachments).map_err(|error| match error {
            Error::NotFound { what: "network", name } => gone(&name, container),
            other => other,
        })?;
        let default = default_route(&places);
        let publish = ports(container);
        let publisher = default
            .filter(|index| publishes(&places[*index].network))
            .or_else(|| places.iter().position(|place| publishes(&place.network)));
        if publisher.is_none() && !publish.is_empty() {
            return Err(no_publisher(&places));
        }
        Ok(Self { places, default, publisher, publish })
    }

    /// What is to be had on each network.
    pub(super) fn wanted(&self, container: &Container<'_>) -> Vec<Wanted<'_>> {
        self.places
            .iter()
            .enumerate()
            .map(|(index, place)| Wanted {
                network: &place.network,
                attachment: &place.attachment,
                device: format!("eth{index}"),
                is_default: self.default == Some(index),
                names: names(&place.network, &place.attachment, container),
            })
            .collect()
    }
}

/// Refuses at creation what would be refused at every start, and spells networks by their names.
///
/// # Errors
/// As [`Plan::new`].
pub(crate) fn settle(
    networks: Networks<'_>,
    attachments: &mut [Attachment],
    has_ports: bool,
) -> Result<()> {
    let places = places(networks, attachments)?;
    if has_ports && !places.iter().any(|place| publishes(&place.network)) {
        return Err(no_publisher(&places));
    }
    for (attachment, place) in attachments.iter_mut().zip(places) {
        attachment.network = place.network.name;
    }
    Ok(())
}

fn places(networks: Networks<'_>, attachments: &[Attachment]) -> Result<Vec<Place>> {
    let mut places: Vec<Place> = Vec::new();
    for attachment in attachments {
        let network = networks.find(&attachment.network)?;
        check_place(&network, attachment)?;
        if places.iter().any(|other| other.network.id == network.id) {
            return Err(Error::Invalid(format!(
                "network {} is named twice for one container",
                network.name
            )));
        }
        places.push(Place { network, attachment: attachment.clone() });
    }
    Ok(places)
}

/// Whether ports can be published through it.
pub(super) fn publishes(network: &Network) -> bool {
    network.record.driver == DriverKind::Bridge && network.leads_out()
}

/// It was there when the container was made.
fn gone(network: &str, container: &Container<'_>) -> Error {
    let container = container.name();
    Error::Invalid(format!(
        "network {network}, which container {container} is to be on, is gone: make it again, or take the container \
         off it (network disconnect {network} {container})"
    ))
}

fn no_publisher(places: &[Place]) -> Error {
    let names: Vec<&str> = places.iter().map(|place| place.network.name.as_str()).collect();
    Error::Invalid(format!(
        "ports can't be published: none of the container's networks is a bridge that leads out ({})",
        names.join(", ")
    ))
}

/// Refuses what a network can't give.
pub(super) fn check_place(network: &Network, attachment: &Attachment) -> Result<()> {
    let name = &network.name;
    if matches!(network.record.driver, DriverKind::Host | DriverKind::Null) {
        return Err(Error::Invalid(format!(
            "network {name} can't be joined beside others: a container has it alone or not at all"
        )));
    }
    if !network.has_names() && !attachment.aliases.is_empty() {
        return Err(Error::Invalid(format!(
            "aliases are for networks with names, and network {name} has none: make one with \
             `network create`"
        )));
    }
    if !network.has_names() && (attachment.ip.is_some() || attachment.ip6.is_some()) {
        return Err(Error::Invalid(format!(
            "addresses of network {name} can't be chosen: make a network of your own with \
             `network create --subnet`"
        )));
    }
    Ok(())
}

/// The greatest priority of those that lead out; among equals the first.
fn default_route(places: &[Place]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (index, place) in places.iter().enumerate() {
        let priority = |index: usize| places[index].attachment.gateway_priority;
        if place.network.leads_out() && best.is_none_or(|best| priority(index) > priority(best)) {
            best = Some(index);
        }
    }
    best
}

/// By what a network's name server knows a container, docker's order: name, aliases, short id, hostname.
pub(super) fn names(
    network: &Network,
    attachment: &Attachment,
    container: &Container<'_>,
) -> Vec<String> {
    if !network.has_names() {
        return Vec::new();
    }
    let id = container.id();
    let short = id.get(..12).unwrap_or(id).to_owned();
    let mut names = vec![container.name().to_owned()];
    names.extend(attachment.aliases.iter().cloned());
    names.push(short);
    names.extend(container.hostname());
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.to_ascii_lowercase()));
    names
}

impl Container<'_> {
    /// The ports that it listens on, as far as image and settings say.
    #[must_use]
    pub fn exposed_ports(&self) -> BTreeSet<Port> {
        let image = self.record().image.as_ref().map(|image| &image.config.exposed_ports);
        // What an image says is no port is none.
        let of_image = image.into_iter().flatten().filter_map(|text| port(text));
        of_image.chain(self.settings().expose.iter().copied()).collect()
    }
}

/// What is published: what was asked for and, with `publish_all`, what else is exposed.
fn ports(container: &Container<'_>) -> Vec<Publish> {
    let settings = container.settings();
    let mut all = settings.publish.clone();
    if settings.publish_all {
        for port in container.exposed_ports() {
            if !all.iter().any(|publish| publish.container == port) {
                all.push(Publish {
                    host_ip: None,
                    host_port: None,
                    host_port_end: None,
                    container: port,
                });
            }
        }
    }
    all
}

/// `80`, `80/tcp`, as images write it.
fn port(text: &str) -> Option<Port> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return None,
    };
    number.parse().ok().filter(|port| *port > 0).map(|port| Port { port, protocol })
}

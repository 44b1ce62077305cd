//! Where a running container's default route and published ports lead when its networks have changed: by the rules
//! of a start, but that what leads somewhere stays there among equals.

use std::net::IpAddr;
use std::os::fd::AsFd;

use isopod_monitor_protocol::launch::Forward;

use super::connect::is_on;
use super::endpoint::Endpoint;
use super::find::{Network, Networks};
use super::plan;
use super::ports;
use super::record::Published;
use crate::Result;
use crate::container::{Attachment, Container};
use crate::state::Durability;

/// A network of a running container.
struct Place {
    network: Network,
    endpoint: Endpoint,
    priority: i64,
}

impl Networks<'_> {
    /// See the module. `attachments` are what the container is on by now.
    pub(super) fn rearrange(
        &self,
        container: &Container<'_>,
        attachments: &[Attachment],
    ) -> Result<()> {
        let mut places = self.places_of(container, attachments)?;
        let default = default_route(&places);
        let publisher = default
            .filter(|index| plan::publishes(&places[*index].network))
            .or_else(|| places.iter().position(|place| plan::publishes(&place.network)));
        let was_default = places.iter().position(|place| place.endpoint.record.is_default);
        let held = container.forwards();
        let mut before = Vec::new();
        let mut after = Vec::new();
        for (index, place) in places.iter_mut().enumerate() {
            let endpoint = &mut place.endpoint;
            let published: Vec<Published> = match publisher == Some(index) {
                true => held.iter().filter_map(|port| led(port, endpoint)).collect(),
                false => Vec::new(),
            };
            let is_default = default == Some(index);
            after.extend(published.iter().copied());
            if endpoint.record.is_default == is_default && endpoint.record.ports == published {
                continue;
            }
            before.extend(std::mem::replace(&mut endpoint.record.ports, published));
            endpoint.record.is_default = is_default;
            // The row first: whoever takes away what it names finds all of it.
            let state = self.runtime.state();
            state.write(Durability::Process, |transaction| {
                endpoint.to_row().set_record(transaction).map_err(state.error())
            })?;
        }
        self.lead(container, &places, default.filter(|_| default != was_default), &before, &after)?;
        if held.is_empty() {
            return Ok(());
        }
        container.lead_forwards(after.iter().map(Published::to_forward).collect())
    }

    /// The kernel's part.
    fn lead(
        &self,
        container: &Container<'_>,
        places: &[Place],
        new_default: Option<usize>,
        before: &[Published],
        after: &[Published],
    ) -> Result<()> {
        let host = self.host()?;
        if let Some(place) = new_default.map(|index| &places[index])
            && let Some(model) = place.network.record.to_model(&place.network.id)
        {
            let netns = container.network_namespace()?;
            host.lead_through(&model, netns.as_fd(), &place.endpoint.to_model())?;
        }
        if !before.is_empty() {
            host.unpublish(&ports::to_maps(before))?;
        }
        host.publish(&ports::to_maps(after))?;
        Ok(())
    }

    fn places_of(
        &self,
        container: &Container<'_>,
        attachments: &[Attachment],
    ) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        for endpoint in self.endpoints_of(container.namespace(), container.id())? {
            let Some(network) = self.by_id(&endpoint.network)? else { continue };
            let attachment = attachments.iter().find(|attachment| is_on(attachment, &network));
            let priority = attachment.map_or(0, |attachment| attachment.gateway_priority);
            places.push(Place { network, endpoint, priority });
        }
        Ok(places)
    }
}

/// The greatest priority of those that lead out; among equals where it leads now, else the first.
fn default_route(places: &[Place]) -> Option<usize> {
    let rank = |place: &Place| (place.priority, place.endpoint.record.is_default);
    let mut best: Option<usize> = None;
    for (index, place) in places.iter().enumerate() {
        if place.network.leads_out() && best.is_none_or(|best| rank(place) > rank(&places[best])) {
            best = Some(index);
        }
    }
    best
}

/// A port that is held, led to an endpoint's address of the same family, or to the one that there is.
fn led(port: &Forward, endpoint: &Endpoint) -> Option<Published> {
    let (v4, v6) = (endpoint.ip.map(IpAddr::V4), endpoint.ip6.map(IpAddr::V6));
    let ip = if port.host.is_ipv4() { v4.or(v6) } else { v6.or(v4) };
    let mut target = port.target;
    target.set_ip(ip?);
    Some(Published { protocol: port.protocol, host: port.host, target })
}

//! Networks: rows that can be read, endpoints of containers that run, and in the kernel just what these stand for.

use std::collections::BTreeSet;
use std::fs;

use super::finding::Findings;
use super::look::{Look, entries, named};
use super::{aside, kinds};
use crate::network::{Endpoint, Network, Networks};
use crate::state::{ContainerRow, Durability, EndpointRow, NetworkRow};
use crate::{Error, Result};

pub(super) fn check(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    let networks = readable_networks(look, found)?;
    let endpoints = living_endpoints(look, &networks, found)?;
    folders(look, found)?;
    names(look, &networks, &endpoints, found);
    // What belongs to a container that lives must not be taken for a leftover.
    let is_known = networks.len() == look.rows.networks.len()
        && endpoints.len() == count_living(look, |_| true)?;
    match is_known && Networks::has_kernel_side(&networks) {
        true => kernel(look, &networks, &endpoints, found),
        false => Ok(()),
    }
}

/// How many of the endpoints that `choose` picks are of containers that run.
fn count_living(look: &Look<'_>, choose: impl Fn(&EndpointRow) -> bool) -> Result<usize> {
    let mut living = 0;
    for row in look.rows.endpoints.iter().filter(|row| choose(row)) {
        living += usize::from(look.lives(&row.namespace, &row.container)?);
    }
    Ok(living)
}

fn readable_networks(look: &Look<'_>, found: &mut Findings) -> Result<Vec<Network>> {
    let mut networks = Vec::new();
    for row in &look.rows.networks {
        match Network::read(row) {
            Ok(network) => networks.push(network),
            Err(error) => {
                let object = format!("network {}", row.name);
                let (row, name) = (row.clone(), row.name.clone());
                let living = count_living(look, |endpoint| endpoint.network == row.id)?;
                let finding =
                    found.add(kinds::NETWORK_UNREADABLE, object.clone(), super::words(&error));
                if living > 0 {
                    finding.leave().advise("stop the containers on it, and repair again");
                    continue;
                }
                finding
                    .advise(format!("isopod network create {name}, as it was made before"))
                    .mend(move |runtime| {
                        aside::note(runtime.layout(), "rows", &object, &row.record)?;
                        let state = runtime.state();
                        state.write(Durability::Power, |transaction| {
                            NetworkRow::delete(transaction, &row.id)
                                .map(drop)
                                .map_err(state.error())
                        })
                    });
            }
        }
    }
    Ok(networks)
}

/// Those of containers that run; others are findings.
fn living_endpoints(
    look: &Look<'_>,
    networks: &[Network],
    found: &mut Findings,
) -> Result<Vec<Endpoint>> {
    let mut living = Vec::new();
    for row in &look.rows.endpoints {
        let is_it = |c: &&ContainerRow| c.namespace == row.namespace && c.id == row.container;
        let container = look.rows.containers.iter().find(is_it);
        let shown = container.map_or_else(|| format!("container {}", row.container), named);
        let object = format!("{shown} on network {}", short(networks, &row.network));
        let lives = look.lives(&row.namespace, &row.container)?;
        match Endpoint::read(row) {
            Err(error) => {
                let finding =
                    found.add(kinds::ENDPOINT_UNREADABLE, object.clone(), super::words(&error));
                if lives {
                    finding.leave().advise(format!("stop {shown}, and repair again"));
                    continue;
                }
                let row = row.clone();
                finding.mend(move |runtime| {
                    aside::note(runtime.layout(), "rows", &object, &row.record)?;
                    let state = runtime.state();
                    state.write(Durability::Process, |transaction| {
                        row.delete(transaction).map_err(state.error())
                    })
                });
            }
            Ok(endpoint) => {
                let is_known = networks.iter().any(|network| network.id == row.network);
                if container.is_some() && lives && is_known {
                    living.push(endpoint);
                    continue;
                }
                let detail = match (container, is_known) {
                    (None, _) => "the container is not known",
                    (_, false) => "the network is not known",
                    _ => "the container does not run",
                };
                let finding = found.add(kinds::ENDPOINT_STALE, object, detail);
                if lives {
                    finding.leave().advise(format!("stop {shown}"));
                    continue;
                }
                let (namespace, id) = (row.namespace.clone(), row.container.clone());
                finding.mend(move |runtime| match runtime.containers(&namespace).by_id(&id)? {
                    None => runtime.networks().release_wholly(&namespace, &id),
                    Some(container) => container.release_if_over(),
                });
            }
        }
    }
    Ok(living)
}

fn short(networks: &[Network], id: &str) -> String {
    let network = networks.iter().find(|network| network.id == id);
    network.map_or_else(|| id.get(..12).unwrap_or(id).to_owned(), |network| network.name.clone())
}

/// What belongs to networks and this boot.
fn folders(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    let known: BTreeSet<&str> = look.rows.networks.iter().map(|row| row.id.as_str()).collect();
    for (path, name, metadata) in entries(&look.runtime.layout().state().join("networks"))? {
        let name = name.to_string_lossy().into_owned();
        if !metadata.is_dir() || known.contains(name.as_str()) {
            // Files are locks of all networks.
            continue;
        }
        let object = path.display().to_string();
        found.add(kinds::NETWORK_LEFTOVER, object, "its network is not known").mend(
            move |runtime| {
                if runtime.state().read(|c| NetworkRow::exact(c, &name))?.is_some() {
                    return Ok(());
                }
                match fs::remove_dir_all(&path) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                    other => other.map_err(Error::io("cannot remove", &path)),
                }
            },
        );
    }
    Ok(())
}

/// What name servers of containers that run read.
fn names(look: &Look<'_>, networks: &[Network], endpoints: &[Endpoint], found: &mut Findings) {
    for network in networks.iter().filter(|network| network.has_names()) {
        let on_it: Vec<&Endpoint> =
            endpoints.iter().filter(|endpoint| endpoint.network == network.id).collect();
        if on_it.is_empty() {
            continue;
        }
        let path = look.runtime.networks().names_file(&network.id);
        if fs::read_to_string(&path).is_ok_and(|text| text == Networks::names_of(on_it)) {
            continue;
        }
        let detail = "its name servers don't answer what its endpoints say";
        let network = network.clone();
        found
            .add(kinds::NETWORK_NAMES, format!("network {}", network.name), detail)
            .mend(move |runtime| runtime.networks().write_names(&network));
    }
}

fn kernel(
    look: &Look<'_>,
    networks: &[Network],
    endpoints: &[Endpoint],
    found: &mut Findings,
) -> Result<()> {
    let there = look.runtime.networks().inspect(networks, endpoints)?;
    for device in there.stray_devices {
        let detail = "no network and no endpoint stands for it";
        let name = device.clone();
        found
            .add(kinds::DEVICE_LEFTOVER, format!("device {device}"), detail)
            .mend(move |runtime| runtime.networks().remove_device(&name));
    }
    for device in there.missing_devices {
        found
            .add(kinds::DEVICE_MISSING, format!("device {device}"), "containers are on it")
            .advise("restart these containers: their devices went with it")
            .mend(|runtime| runtime.networks().reload().map(drop));
    }
    let missing = match (there.missing_rules.is_empty(), there.missing_ports) {
        (true, 0) => None,
        (true, ports) => Some(format!("{ports} published ports are not led anywhere")),
        (false, _) => Some(format!("of {}", there.missing_rules.join(", "))),
    };
    if let Some(detail) = missing {
        found
            .add(kinds::RULES_MISSING, "firewall", detail)
            .mend(|runtime| runtime.networks().reload().map(drop));
    }
    let left = match (there.stray_rules.is_empty(), there.stray_ports) {
        (true, 0) => return Ok(()),
        (true, ports) => format!("{ports} ports are led that no container has published"),
        (false, _) => format!("of {}, which no network has", there.stray_rules.join(", ")),
    };
    found
        .add(kinds::RULES_LEFTOVER, "firewall", left)
        .mend(|runtime| runtime.networks().reload().map(drop));
    Ok(())
}

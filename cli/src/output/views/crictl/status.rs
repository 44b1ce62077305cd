//! `inspect` and `inspectp`: statuses with their times in words.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use isopod_cri_client::v1;
use isopod_cri_protocol::json::to_value;
use serde_json::Value;

use super::{ago, go_map, go_time, pairs, rfc3339};
use crate::output::time;

/// A container's status as JSON: its times as text, or Go's zero time where it has not come to it.
#[must_use]
pub fn container(status: &v1::ContainerStatus) -> Value {
    use v1::ContainerState::{ContainerCreated, ContainerExited, ContainerUnknown};
    let mut value = to_value(status);
    let ended = match status.state() {
        ContainerExited => true,
        ContainerUnknown => status.finished_at > 0,
        _ => false,
    };
    let or_never = |is: bool, at: i64| if is { rfc3339(at) } else { time::NEVER.to_owned() };
    value["createdAt"] = rfc3339(status.created_at).into();
    value["startedAt"] = or_never(status.state() != ContainerCreated, status.started_at).into();
    value["finishedAt"] = or_never(ended, status.finished_at).into();
    value
}

/// A pod's.
#[must_use]
pub fn pod(status: &v1::PodSandboxStatus) -> Value {
    let mut value = to_value(status);
    value["createdAt"] = rfc3339(status.created_at).into();
    value
}

/// `inspect -o table`; with what the runtime adds if `verbose`.
#[must_use]
pub fn container_lines(
    response: &v1::ContainerStatusResponse,
    verbose: bool,
    now: DateTime<Utc>,
) -> String {
    let mut text = String::new();
    let status = response.status.clone().unwrap_or_default();
    write_container(&mut text, &status, now).unwrap_or_default();
    if verbose {
        writeln!(text, "Info: {}", go_map(&response.info)).unwrap_or_default();
    }
    text
}

fn write_container(
    text: &mut String,
    status: &v1::ContainerStatus,
    now: DateTime<Utc>,
) -> std::fmt::Result {
    use v1::ContainerState::{ContainerCreated, ContainerExited};
    writeln!(text, "ID: {}", status.id)?;
    if let Some(metadata) = &status.metadata {
        if !metadata.name.is_empty() {
            writeln!(text, "Name: {}", metadata.name)?;
        }
        if metadata.attempt != 0 {
            writeln!(text, "Attempt: {}", metadata.attempt)?;
        }
    }
    writeln!(text, "State: {}", status.state().as_str_name())?;
    writeln!(text, "Created: {}", ago(status.created_at, now))?;
    if status.state() != ContainerCreated {
        writeln!(text, "Started: {}", ago(status.started_at, now))?;
    }
    if status.state() == ContainerExited {
        if status.finished_at > 0 {
            writeln!(text, "Finished: {}", ago(status.finished_at, now))?;
        }
        writeln!(text, "Exit Code: {}", status.exit_code)?;
    }
    pairs(text, "Labels", &status.labels);
    pairs(text, "Annotations", &status.annotations);
    Ok(())
}

/// `inspectp -o table`; with what the runtime adds if `verbose`.
#[must_use]
pub fn pod_lines(response: &v1::PodSandboxStatusResponse, verbose: bool) -> String {
    let mut text = String::new();
    let status = response.status.clone().unwrap_or_default();
    write_pod(&mut text, &status).unwrap_or_default();
    if verbose {
        writeln!(text, "Info: {}", go_map(&response.info)).unwrap_or_default();
    }
    text
}

fn write_pod(text: &mut String, status: &v1::PodSandboxStatus) -> std::fmt::Result {
    writeln!(text, "ID: {}", status.id)?;
    if let Some(metadata) = &status.metadata {
        for (name, value) in
            [("Name", &metadata.name), ("UID", &metadata.uid), ("Namespace", &metadata.namespace)]
        {
            if !value.is_empty() {
                writeln!(text, "{name}: {value}")?;
            }
        }
        writeln!(text, "Attempt: {}", metadata.attempt)?;
    }
    writeln!(text, "Status: {}", status.state().as_str_name())?;
    writeln!(text, "Created: {}", go_time(status.created_at))?;
    if let Some(network) = &status.network {
        writeln!(text, "IP Addresses: {}", network.ip)?;
        for address in &network.additional_ips {
            writeln!(text, "Additional IP: {}", address.ip)?;
        }
    }
    pairs(text, "Labels", &status.labels);
    pairs(text, "Annotations", &status.annotations);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: v1::ContainerState) -> v1::ContainerStatus {
        v1::ContainerStatus {
            id: "c".into(),
            state: state.into(),
            created_at: 1_000_000_000,
            started_at: 2_000_000_000,
            finished_at: 3_000_000_000,
            exit_code: 4,
            ..v1::ContainerStatus::default()
        }
    }

    /// cri-tools' `cmd/crictl/container.go`: what a container has not come to is Go's zero time.
    #[test]
    fn times_are_text_and_those_that_did_not_come_are_never() {
        let value = container(&status(v1::ContainerState::ContainerCreated));
        assert_eq!(value["startedAt"], time::NEVER);
        assert_eq!(value["finishedAt"], time::NEVER);
        assert!(value["createdAt"].as_str().unwrap().starts_with("19"), "{value}");
        let value = container(&status(v1::ContainerState::ContainerRunning));
        assert_ne!(value["startedAt"], time::NEVER);
        assert_eq!(value["finishedAt"], time::NEVER);
        let value = container(&status(v1::ContainerState::ContainerExited));
        assert_ne!(value["finishedAt"], time::NEVER);
        assert_eq!(value["state"], "CONTAINER_EXITED");
    }

    #[test]
    fn lines_tell_what_has_happened_so_far() {
        let lines = |state| {
            let response =
                v1::ContainerStatusResponse { status: Some(status(state)), ..Default::default() };
            container_lines(&response, false, DateTime::from_timestamp(63, 0).unwrap())
        };
        assert_eq!(
            lines(v1::ContainerState::ContainerCreated),
            "ID: c\nState: CONTAINER_CREATED\nCreated: About a minute ago\n"
        );
        assert_eq!(
            lines(v1::ContainerState::ContainerExited),
            "ID: c\nState: CONTAINER_EXITED\nCreated: About a minute ago\nStarted: About a minute ago\nFinished: About a minute ago\nExit Code: 4\n"
        );
    }

    #[test]
    fn a_pods_lines_have_its_addresses() {
        let status = v1::PodSandboxStatus {
            id: "p".into(),
            metadata: Some(v1::PodSandboxMetadata { name: "n".into(), ..Default::default() }),
            network: Some(v1::PodSandboxNetworkStatus {
                ip: "10.0.0.2".into(),
                additional_ips: vec![v1::PodIp { ip: "fd00::2".into() }],
            }),
            ..v1::PodSandboxStatus::default()
        };
        let response = v1::PodSandboxStatusResponse { status: Some(status), ..Default::default() };
        let text = pod_lines(&response, true);
        assert!(
            text.starts_with(
                "ID: p\nName: n\nAttempt: 0\nStatus: SANDBOX_READY\nCreated: 1970-01-01 "
            ),
            "{text}"
        );
        assert!(
            text.ends_with("IP Addresses: 10.0.0.2\nAdditional IP: fd00::2\nInfo: map[]\n"),
            "{text}"
        );
    }
}

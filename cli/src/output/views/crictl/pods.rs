//! `pods`.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use isopod_cri_client::v1;

use super::{ago, go_time, pairs, short};
use crate::output::table::{DOCKER_WIDE, Table};

const HEADER: [&str; 7] = ["POD ID", "CREATED", "STATE", "NAME", "NAMESPACE", "ATTEMPT", "RUNTIME"];

/// A row a pod.
#[must_use]
pub fn table(pods: &[v1::PodSandbox], whole_ids: bool, now: DateTime<Utc>) -> String {
    let mut table = Table::new(DOCKER_WIDE, &HEADER);
    for pod in pods {
        let metadata = pod.metadata.clone().unwrap_or_default();
        table.row([
            if whole_ids { pod.id.clone() } else { short(&pod.id, "") },
            ago(pod.created_at, now),
            state(pod.state),
            metadata.name,
            metadata.namespace,
            metadata.attempt.to_string(),
            runtime(pod).to_owned(),
        ]);
    }
    table.render()
}

/// Lines, and a blank one, for each pod.
#[must_use]
pub fn verbose(pods: &[v1::PodSandbox]) -> String {
    let mut text = String::new();
    for pod in pods {
        pod_lines(&mut text, pod).unwrap_or_default();
    }
    text
}

fn pod_lines(text: &mut String, pod: &v1::PodSandbox) -> std::fmt::Result {
    writeln!(text, "ID: {}", pod.id)?;
    if let Some(metadata) = &pod.metadata {
        for (name, value) in
            [("Name", &metadata.name), ("UID", &metadata.uid), ("Namespace", &metadata.namespace)]
        {
            if !value.is_empty() {
                writeln!(text, "{name}: {value}")?;
            }
        }
        if metadata.attempt != 0 {
            writeln!(text, "Attempt: {}", metadata.attempt)?;
        }
    }
    writeln!(text, "Status: {}", state(pod.state))?;
    writeln!(text, "Created: {}", go_time(pod.created_at))?;
    pairs(text, "Labels", &pod.labels);
    pairs(text, "Annotations", &pod.annotations);
    writeln!(text, "Runtime: {}\n", runtime(pod))
}

fn state(number: i32) -> String {
    match v1::PodSandboxState::try_from(number) {
        Ok(v1::PodSandboxState::SandboxReady) => "Ready".to_owned(),
        Ok(v1::PodSandboxState::SandboxNotready) => "NotReady".to_owned(),
        Err(_) => number.to_string(),
    }
}

fn runtime(pod: &v1::PodSandbox) -> &str {
    if pod.runtime_handler.is_empty() { "(default)" } else { &pod.runtime_handler }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cri-tools' `docs/crictl.md`, "Run pod sandbox with config file".
    #[test]
    fn a_table_has_the_columns_of_the_original() {
        let pod = v1::PodSandbox {
            id: "f84dd361f8dc51518ed291fbadd6db537b0496536c1d2d6c05ff943ce8c9a54f".into(),
            metadata: Some(v1::PodSandboxMetadata {
                name: "busybox-sandbox".into(),
                namespace: "default".into(),
                uid: "hdishd83djaidwnduwk28bcsb".into(),
                attempt: 1,
            }),
            ..v1::PodSandbox::default()
        };
        let now = DateTime::from_timestamp(17, 0).unwrap();
        let expected = "\
POD ID              CREATED             STATE               NAME                NAMESPACE           ATTEMPT             RUNTIME
f84dd361f8dc5       17 seconds ago      Ready               busybox-sandbox     default             1                   (default)
";
        assert_eq!(table(std::slice::from_ref(&pod), false, now), expected);
        let text = verbose(&[pod]);
        assert!(text.starts_with("ID: f84dd361f8dc51518ed291fbadd6db537b0496536c1d2d6c05ff943ce8c9a54f\nName: busybox-sandbox\nUID: hdishd83djaidwnduwk28bcsb\nNamespace: default\nAttempt: 1\nStatus: Ready\nCreated: 1970-01-01 "), "{text}");
        assert!(text.ends_with("Runtime: (default)\n\n"), "{text}");
    }
}

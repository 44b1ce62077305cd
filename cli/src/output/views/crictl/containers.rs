//! `ps`.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use isopod_cri_client::v1;

use super::{ago, pairs, short};
use crate::output::table::{DOCKER_WIDE, Table};

const POD_NAME: &str = "io.kubernetes.pod.name";
const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
const HEADER: [&str; 9] =
    ["CONTAINER", "IMAGE", "CREATED", "STATE", "NAME", "ATTEMPT", "POD ID", "POD", "NAMESPACE"];

/// A row a container; `image` says how each one's image is called.
#[must_use]
pub fn table(
    containers: &[v1::Container],
    whole_ids: bool,
    image: impl Fn(&v1::Container) -> String,
    now: DateTime<Utc>,
) -> String {
    let mut table = Table::new(DOCKER_WIDE, &HEADER);
    let id = |id: &str| if whole_ids { id.to_owned() } else { short(id, "") };
    for container in containers {
        let metadata = container.metadata.clone().unwrap_or_default();
        table.row([
            id(&container.id),
            image(container),
            ago(container.created_at, now),
            state(container.state),
            metadata.name,
            metadata.attempt.to_string(),
            id(&container.pod_sandbox_id),
            label(container, POD_NAME),
            label(container, POD_NAMESPACE),
        ]);
    }
    table.render()
}

/// The image as the runtime names it; an id without its algorithm, and short unless `whole`.
#[must_use]
pub fn image(container: &v1::Container, whole: bool) -> String {
    let name = container.image.as_ref().map_or("", |image| &image.image);
    match name.strip_prefix("sha256:") {
        Some(digits) if !whole && digits.len() == 64 => short(digits, ""),
        _ => name.to_owned(),
    }
}

/// Lines, and a blank one, for each container.
#[must_use]
pub fn verbose(containers: &[v1::Container], now: DateTime<Utc>) -> String {
    let mut text = String::new();
    for container in containers {
        container_lines(&mut text, container, now).unwrap_or_default();
    }
    text
}

fn container_lines(
    text: &mut String,
    container: &v1::Container,
    now: DateTime<Utc>,
) -> std::fmt::Result {
    writeln!(text, "ID: {}", container.id)?;
    writeln!(text, "PodID: {}", container.pod_sandbox_id)?;
    writeln!(text, "Namespace: {}", label(container, POD_NAMESPACE))?;
    if let Some(metadata) = &container.metadata {
        if !metadata.name.is_empty() {
            writeln!(text, "Name: {}", metadata.name)?;
        }
        writeln!(text, "Attempt: {}", metadata.attempt)?;
    }
    writeln!(text, "State: {}", state(container.state))?;
    if let Some(image) = &container.image {
        writeln!(text, "Image: {}", image.image)?;
    }
    writeln!(text, "Created: {}", ago(container.created_at, now))?;
    pairs(text, "Labels", &container.labels);
    pairs(text, "Annotations", &container.annotations);
    writeln!(text)
}

fn state(number: i32) -> String {
    match v1::ContainerState::try_from(number) {
        Ok(v1::ContainerState::ContainerCreated) => "Created".to_owned(),
        Ok(v1::ContainerState::ContainerRunning) => "Running".to_owned(),
        Ok(v1::ContainerState::ContainerExited) => "Exited".to_owned(),
        Ok(v1::ContainerState::ContainerUnknown) => "Unknown".to_owned(),
        // Of a newer interface.
        Err(_) => number.to_string(),
    }
}

fn label(container: &v1::Container, name: &str) -> String {
    container.labels.get(name).cloned().unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn container() -> v1::Container {
        v1::Container {
            id: "3e025dd50a72d956c4f14881fbb5b1080c9275674e95fb67f965f6478a957d60".into(),
            pod_sandbox_id: "f84dd361f8dc51518ed291fbadd6db537b0496536c1d2d6c05ff943ce8c9a54f"
                .into(),
            metadata: Some(v1::ContainerMetadata { name: "busybox".into(), attempt: 0 }),
            image: Some(v1::ImageSpec { image: "busybox".into(), ..v1::ImageSpec::default() }),
            state: v1::ContainerState::ContainerRunning.into(),
            labels: HashMap::from([(POD_NAME.into(), "busybox-sandbox".into())]),
            ..v1::Container::default()
        }
    }

    /// Columns, widths and words of cri-tools' `docs/crictl.md` and `cmd/crictl/display.go`.
    #[test]
    fn a_table_has_the_columns_of_the_original() {
        let now = DateTime::from_timestamp(45, 0).unwrap();
        let text = table(&[container()], false, |c| image(c, false), now);
        let expected = "\
CONTAINER           IMAGE               CREATED             STATE               NAME                ATTEMPT             POD ID              POD                 NAMESPACE
3e025dd50a72d       busybox             45 seconds ago      Running             busybox             0                   f84dd361f8dc5       busybox-sandbox     unknown
";
        assert_eq!(text, expected);
        let whole = table(&[container()], true, |c| image(c, true), now);
        assert!(
            whole.contains("3e025dd50a72d956c4f14881fbb5b1080c9275674e95fb67f965f6478a957d60   ")
        );
    }

    #[test]
    fn an_image_that_is_an_id_is_short() {
        let mut container = container();
        let id = format!("sha256:{}", "ab".repeat(32));
        container.image.as_mut().unwrap().image = id.clone();
        assert_eq!(image(&container, false), "ababababababa");
        assert_eq!(image(&container, true), id);
    }

    #[test]
    fn more_is_said_in_lines() {
        let text = verbose(&[container()], DateTime::from_timestamp(60, 0).unwrap());
        assert!(text.contains("PodID: f84dd361f8dc51518ed291fbadd6db537b0496536c1d2d6c05ff943ce8c9a54f\nNamespace: unknown\nName: busybox\nAttempt: 0\nState: Running\nImage: busybox\nCreated: About a minute ago\nLabels:\n\tio.kubernetes.pod.name -> busybox-sandbox\n\n"), "{text}");
    }
}

//! Which containers and pods a command is about: what the runtime filters, and what is left to its client.

use std::cmp::Reverse;
use std::collections::HashMap;

use isopod_cri_client::v1;
use regex::Regex;

use super::labels;
use super::session::Session;
use crate::error::Error;

const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";

/// Filters of containers.
#[derive(Debug, Default)]
pub struct Containers {
    /// Id, or the beginning of one.
    pub id: Option<String>,
    /// Id of the pod.
    pub pod: Option<String>,
    /// A regular expression for the name.
    pub name: Option<String>,
    /// A regular expression for the pod's namespace.
    pub namespace: Option<String>,
    /// Any name of the image.
    pub image: Option<String>,
    /// The state's word.
    pub state: Option<String>,
    /// `key=value`, each.
    pub labels: Vec<String>,
    /// Whether those that don't run are meant too.
    pub all: bool,
    /// The newest alone.
    pub latest: bool,
    /// So many of the newest; 0 is no limit.
    pub last: Option<u64>,
}

impl Containers {
    /// What is there, the newest first.
    ///
    /// # Errors
    /// Filters that can't be meant; the runtime's.
    pub fn list(&self, session: &Session<'_>) -> Result<Vec<v1::Container>, Error> {
        let name = pattern("--name", self.name.as_deref())?;
        let namespace = pattern("--namespace", self.namespace.as_deref())?;
        let request = v1::ListContainersRequest { filter: Some(self.filter()?) };
        let mut client = session.runtime()?;
        let mut containers = session.ask(client.list_containers(request))?.containers;
        containers.retain(|container| {
            let own = container.metadata.as_ref().map_or("", |metadata| &metadata.name);
            let of_pod = container.labels.get(POD_NAMESPACE).map_or("unknown", String::as_str);
            matches(name.as_ref(), own) && matches(namespace.as_ref(), of_pod)
        });
        if let Some(image) = &self.image {
            self.keep_of_image(session, image, &mut containers)?;
        }
        containers.sort_by_key(|container| Reverse(container.created_at));
        containers.truncate(count(self.latest, self.last));
        Ok(containers)
    }

    fn filter(&self) -> Result<v1::ContainerFilter, Error> {
        let state = match self.state.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None if self.all => None,
            None => Some(v1::ContainerState::ContainerRunning),
            Some("created") => Some(v1::ContainerState::ContainerCreated),
            Some("running") => Some(v1::ContainerState::ContainerRunning),
            Some("exited") => Some(v1::ContainerState::ContainerExited),
            Some("unknown") => Some(v1::ContainerState::ContainerUnknown),
            Some(_) => return Err(state_error(&self.state, "created, running, exited, unknown")),
        };
        // The newest are meant whatever they do.
        let newest = self.latest || self.last.is_some_and(|last| last > 0);
        let state = state.filter(|_| !newest);
        Ok(v1::ContainerFilter {
            id: self.id.clone().unwrap_or_default(),
            state: state.map(|state| v1::ContainerStateValue { state: state.into() }),
            pod_sandbox_id: self.pod.clone().unwrap_or_default(),
            label_selector: labels::parse("--label", &self.labels)?,
        })
    }

    /// Names of an image differ: its id tells whether it is the same.
    fn keep_of_image(
        &self,
        session: &Session<'_>,
        image: &str,
        containers: &mut Vec<v1::Container>,
    ) -> Result<(), Error> {
        let Some(wanted) = image_of(session, image)?.map(|image| image.id) else {
            containers.clear();
            return Ok(());
        };
        let mut known = HashMap::new();
        for container in containers.iter() {
            let name = image_name(container);
            if !known.contains_key(name) {
                let id = image_of(session, name)?.map(|image| image.id);
                known.insert(name.to_owned(), id.as_ref() == Some(&wanted));
            }
        }
        containers.retain(|container| known.get(image_name(container)) == Some(&true));
        Ok(())
    }
}

/// Filters of pods.
#[derive(Debug, Default)]
pub struct Pods {
    /// Id, or the beginning of one.
    pub id: Option<String>,
    /// A regular expression for the name.
    pub name: Option<String>,
    /// A regular expression for the namespace.
    pub namespace: Option<String>,
    /// The state's word.
    pub state: Option<String>,
    /// `key=value`, each.
    pub labels: Vec<String>,
    /// The newest alone.
    pub latest: bool,
    /// So many of the newest; 0 is no limit.
    pub last: Option<u64>,
}

impl Pods {
    /// What is there, the newest first.
    ///
    /// # Errors
    /// Filters that can't be meant; the runtime's.
    pub fn list(&self, session: &Session<'_>) -> Result<Vec<v1::PodSandbox>, Error> {
        let name = pattern("--name", self.name.as_deref())?;
        let namespace = pattern("--namespace", self.namespace.as_deref())?;
        let state = match self.state.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None => None,
            Some("ready") => Some(v1::PodSandboxState::SandboxReady),
            Some("notready") => Some(v1::PodSandboxState::SandboxNotready),
            Some(_) => return Err(state_error(&self.state, "ready, notready")),
        };
        let filter = v1::PodSandboxFilter {
            id: self.id.clone().unwrap_or_default(),
            state: state.map(|state| v1::PodSandboxStateValue { state: state.into() }),
            label_selector: labels::parse("--label", &self.labels)?,
        };
        let request = v1::ListPodSandboxRequest { filter: Some(filter) };
        let mut client = session.runtime()?;
        let mut pods = session.ask(client.list_pod_sandbox(request))?.items;
        pods.retain(|pod| {
            pod.metadata.as_ref().is_some_and(|own| {
                matches(name.as_ref(), &own.name) && matches(namespace.as_ref(), &own.namespace)
            })
        });
        pods.sort_by_key(|pod| Reverse(pod.created_at));
        pods.truncate(count(self.latest, self.last));
        Ok(pods)
    }
}

/// The image that a name or id means, if it is there.
///
/// # Errors
/// The runtime's.
pub fn image_of(session: &Session<'_>, name: &str) -> Result<Option<v1::Image>, Error> {
    let spec = v1::ImageSpec { image: name.to_owned(), ..v1::ImageSpec::default() };
    let request = v1::ImageStatusRequest { image: Some(spec), verbose: false };
    let mut client = session.images()?;
    Ok(session.ask(client.image_status(request))?.image)
}

fn image_name(container: &v1::Container) -> &str {
    container.image.as_ref().map_or("", |image| &image.image)
}

fn count(latest: bool, last: Option<u64>) -> usize {
    match last {
        Some(last) if last > 0 => usize::try_from(last).unwrap_or(usize::MAX),
        _ if latest => 1,
        _ => usize::MAX,
    }
}

fn pattern(what: &'static str, text: Option<&str>) -> Result<Option<Regex>, Error> {
    text.filter(|text| !text.is_empty())
        .map(|text| {
            Regex::new(text).map_err(|_| Error::Value {
                what,
                value: text.to_owned(),
                reason: "it is no regular expression".to_owned(),
            })
        })
        .transpose()
}

fn matches(pattern: Option<&Regex>, text: &str) -> bool {
    pattern.is_none_or(|pattern| pattern.is_match(text))
}

fn state_error(given: &Option<String>, known: &str) -> Error {
    Error::Value {
        what: "--state",
        value: given.clone().unwrap_or_default(),
        reason: format!("the states are {known}"),
    }
}

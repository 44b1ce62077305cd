//! Looking containers up.

use std::collections::BTreeMap;

use chrono::{TimeDelta, Utc};

use super::{Container, RemoveOptions};
use crate::namespace::merge;
use crate::state::{ContainerRow, Durability, Labels};
use crate::{Error, Result, Runtime};

/// The containers of one namespace.
#[derive(Debug, Clone)]
pub struct Containers<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) namespace: String,
}

/// The containers of a namespace, as far as their records can be read.
#[derive(Debug)]
pub struct Listing<'a> {
    /// Newest first.
    pub containers: Vec<Container<'a>>,
    /// What is wrong with the others; each error names its container.
    pub damaged: Vec<Error>,
}

impl<'a> Containers<'a> {
    pub(crate) fn new(runtime: &'a Runtime, namespace: &str) -> Self {
        Self { runtime, namespace: namespace.to_owned() }
    }

    /// All, newest first. One whose record can't be read does not hide the others.
    ///
    /// # Errors
    /// The database failed.
    pub fn list(&self) -> Result<Listing<'a>> {
        let rows = self.runtime.state().read(|c| ContainerRow::list(c, &self.namespace))?;
        let mut listing = Listing { containers: Vec::new(), damaged: Vec::new() };
        for row in rows {
            match Container::from_row(self.runtime, row) {
                Ok(container) => listing.containers.push(container),
                Err(error) => listing.damaged.push(error),
            }
        }
        Ok(listing)
    }

    /// Does what is left of those whose monitor and keeper were killed: applies restart policies, and
    /// removes those that were to go when they ended and whose remover died first. Ones that ended a
    /// moment ago are left to whoever is removing them now. Takes folders that removers left, too.
    ///
    /// # Errors
    /// The database failed or a folder can't be removed.
    pub fn remove_ended(&self) -> Result<()> {
        const PATIENCE: TimeDelta = TimeDelta::seconds(10);
        let containers = self.list()?.containers;
        for container in &containers {
            container.settle();
        }
        for container in containers.into_iter().filter(|c| c.record.auto_remove) {
            // One that can't say what it does is left to who asks for it by name.
            let Ok(status) = container.status() else { continue };
            let ended_before = status.finished_at().is_some_and(|at| at < Utc::now() - PATIENCE);
            if status.phase.is_alive() || !ended_before {
                continue;
            }
            let options = RemoveOptions { volumes: true, ..RemoveOptions::default() };
            match container.remove(options) {
                Err(Error::NotFound { .. }) => {}
                other => other?,
            }
        }
        self.runtime.sweep()
    }

    /// The one that `text` names: an id, a name, or a unique beginning of an id.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ambiguous`].
    pub fn find(&self, text: &str) -> Result<Container<'a>> {
        let container = Container::from_row(self.runtime, self.find_row(text)?)?;
        // Should its monitor and its keeper have been killed, it may be about to be started again.
        container.settle();
        Ok(container)
    }

    /// The one with exactly this id.
    pub(crate) fn by_id(&self, id: &str) -> Result<Option<Container<'a>>> {
        let row = self.runtime.state().read(|c| ContainerRow::exact(c, &self.namespace, id))?;
        row.filter(|row| row.id == id).map(|row| Container::from_row(self.runtime, row)).transpose()
    }

    pub(super) fn find_row(&self, text: &str) -> Result<ContainerRow> {
        let namespace = &self.namespace;
        let exact = self.runtime.state().read(|c| ContainerRow::exact(c, namespace, text))?;
        if let Some(row) = exact {
            return Ok(row);
        }
        let mut rows = match text {
            "" => Vec::new(),
            _ => self.runtime.state().read(|c| ContainerRow::with_prefix(c, namespace, text))?,
        };
        match rows.len() {
            0 => Err(Error::NotFound { what: "container", name: text.to_owned() }),
            1 => Ok(rows.remove(0)),
            _ => {
                let ids = rows.iter().map(|row| row.id.get(..12).unwrap_or(&row.id));
                Err(Error::Ambiguous {
                    what: "container",
                    name: text.to_owned(),
                    candidates: ids.collect::<Vec<_>>().join(", "),
                })
            }
        }
    }
}

impl Container<'_> {
    /// Changes labels: `None` removes one.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was removed since.
    pub fn set_labels(&mut self, changes: &BTreeMap<String, Option<String>>) -> Result<Labels> {
        let (namespace, id) = (self.row.namespace.clone(), self.row.id.clone());
        let state = self.runtime.state();
        let labels = state.write(Durability::Power, |transaction| {
            let row = ContainerRow::exact(transaction, &namespace, &id).map_err(state.error())?;
            let not_found = || Error::NotFound { what: "container", name: id.clone() };
            let mut labels = row.ok_or_else(not_found)?.labels;
            merge(&mut labels, changes);
            ContainerRow::set_labels(transaction, &namespace, &id, &labels)
                .map_err(state.error())?;
            Ok(labels)
        })?;
        self.row.labels.clone_from(&labels);
        Ok(labels)
    }
}

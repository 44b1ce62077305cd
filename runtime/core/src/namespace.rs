//! Namespaces: `default` for people, `k8s.io` for CRI, others as wanted. They separate containers;
//! content, layers and images are shared.

use std::collections::BTreeMap;

use crate::state::{ContainerRow, Durability, Labels, NamespaceRow};
use crate::{Error, Result, Runtime, id};

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Labels.
    pub labels: Labels,
}

/// The namespaces of one instance.
#[derive(Debug, Clone, Copy)]
pub struct Namespaces<'a> {
    runtime: &'a Runtime,
}

impl<'a> Namespaces<'a> {
    pub(crate) fn new(runtime: &'a Runtime) -> Self {
        Self { runtime }
    }

    /// All, by name: those that were created and those that something is in.
    ///
    /// # Errors
    /// The database failed.
    pub fn list(&self) -> Result<Vec<Namespace>> {
        let rows = self.runtime.state().read(NamespaceRow::list)?;
        Ok(rows.into_iter().map(|row| Namespace { name: row.name, labels: row.labels }).collect())
    }

    /// Makes one.
    ///
    /// # Errors
    /// The name is no identifier or taken.
    pub fn create(&self, name: &str, labels: &Labels) -> Result<()> {
        id::check("namespace", name)?;
        let state = self.runtime.state();
        let added = state.write(Durability::Power, |transaction| {
            NamespaceRow::ensure(transaction, name, labels).map_err(state.error())
        })?;
        if added {
            return Ok(());
        }
        Err(Error::AlreadyExists {
            what: "namespace",
            name: name.to_owned(),
            by: "an earlier create".to_owned(),
        })
    }

    /// Changes labels: `None` removes one.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn set_labels(
        &self,
        name: &str,
        changes: &BTreeMap<String, Option<String>>,
    ) -> Result<Labels> {
        let state = self.runtime.state();
        state.write(Durability::Power, |transaction| {
            let row = NamespaceRow::get(transaction, name).map_err(state.error())?;
            let mut labels = row.ok_or_else(|| not_found(name))?.labels;
            merge(&mut labels, changes);
            NamespaceRow::set_labels(transaction, name, &labels).map_err(state.error())?;
            Ok(labels)
        })
    }

    /// Removes an empty one.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::InUse`] while containers are in it.
    pub fn remove(&self, name: &str) -> Result<()> {
        let state = self.runtime.state();
        state.write(Durability::Power, |transaction| {
            let containers = ContainerRow::list(transaction, name).map_err(state.error())?;
            if let Some(container) = containers.first() {
                return Err(Error::InUse {
                    what: "namespace",
                    name: name.to_owned(),
                    by: format!("container {}; remove its containers first", container.id),
                });
            }
            match NamespaceRow::delete(transaction, name).map_err(state.error())? {
                true => Ok(()),
                false => Err(not_found(name)),
            }
        })
    }
}

fn not_found(name: &str) -> Error {
    Error::NotFound { what: "namespace", name: name.to_owned() }
}

/// Applies changes to labels; `None` removes one.
pub(crate) fn merge(labels: &mut Labels, changes: &BTreeMap<String, Option<String>>) {
    for (key, value) in changes {
        match value {
            Some(value) => labels.insert(key.clone(), value.clone()),
            None => labels.remove(key),
        };
    }
}

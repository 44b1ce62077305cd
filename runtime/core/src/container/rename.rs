//! Renaming, of running containers too: everything but people knows them by their ids.

use super::{Container, Containers};
use crate::state::{ContainerRow, Durability};
use crate::{Error, Result, id};
use isopod_sys::step::step;

impl<'a> Containers<'a> {
    /// Calls the container that `text` names `name` from now on, and returns it under its new name.
    ///
    /// Names on networks follow, once the row has changed.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`]; it is no name, or the one that it has; [`Error::NotFound`].
    pub fn rename(&self, text: &str, name: &str) -> Result<Container<'a>> {
        id::check_name("container name", name)?;
        let mut container = self.find(text)?;
        let _operation = container.lock_operation()?;
        let before = container.name().to_owned();
        let (namespace, id) = (container.namespace().to_owned(), container.id().to_owned());
        let state = self.runtime.state();
        state.write(Durability::Power, |transaction| {
            let wrap = state.error();
            match ContainerRow::exact(transaction, &namespace, name).map_err(&wrap)? {
                Some(same) if same.id == id && same.name.as_deref() == Some(name) => {
                    return Err(Error::Invalid(format!("container {name} has this name already")));
                }
                Some(other) => {
                    return Err(Error::AlreadyExists {
                        what: "container name",
                        name: name.to_owned(),
                        by: super::create::describe(&other),
                    });
                }
                None => {}
            }
            match ContainerRow::set_name(transaction, &namespace, &id, name).map_err(&wrap)? {
                true => Ok(()),
                false => Err(Error::NotFound { what: "container", name: text.to_owned() }),
            }
        })?;
        container.row.name = Some(name.to_owned());
        step("rename.named");
        self.runtime.networks().renamed(&container)?;
        container.happened("rename", &[("oldName", &before)]);
        Ok(container)
    }
}

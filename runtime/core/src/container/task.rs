//! Forgetting that a container ran: ctr's `tasks delete`, after which it is as it was created.

use std::fs;
use std::io;

use isopod_monitor_protocol::data;
use isopod_monitor_protocol::status::Exit;

use super::stop::Ending;
use super::{Container, Phase};
use crate::{Error, Result};

const SIGKILL: i32 = 9;

impl Container<'_> {
    /// Forgets its last run and returns how that ended; with `force` one that still runs is killed.
    ///
    /// # Errors
    /// [`Error::State`] if it runs and `force` is not set, or never ran.
    pub fn delete_task(&self, force: bool) -> Result<Option<Exit>> {
        let _operation = self.lock_operation()?;
        let status = self.status()?;
        let state = |hint| {
            let id = self.name().to_owned();
            Err(Error::State { id, state: status.phase.as_str(), hint })
        };
        let exit = match status.phase {
            Phase::Created => return state("it has no task"),
            Phase::Exited | Phase::Failed => status.exit,
            _ if force => self.end_run(Ending::ByHand, Some(SIGKILL), None)?,
            _ => return state("stop it first, or force the deletion"),
        };
        let path = self.data().join(data::STATUS);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("cannot remove", &path)(error))
            }
            _ => Ok(exit),
        }
    }
}

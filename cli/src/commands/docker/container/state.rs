//! From the library's status to what views show.

use isopod_runtime::container::{ContainerStatus, Phase};

use crate::output::views::state::State;

/// docker's status of a container whose end nobody saw.
const LOST: i32 = 255;

/// What is shown of `status`.
#[must_use]
pub fn of(status: &ContainerStatus) -> State {
    let code = status.exit.as_ref().map_or(LOST, |exit| exit.code);
    let (since, at) = (status.started_at, status.finished_at());
    match status.phase {
        Phase::Created => State::Created,
        Phase::Starting => State::Starting,
        Phase::Running => State::Running { since },
        Phase::Paused => State::Paused { since },
        Phase::Restarting => State::Restarting { code, at },
        Phase::Exited => State::Exited { code, at },
        Phase::Failed => State::Failed { code, at },
    }
}

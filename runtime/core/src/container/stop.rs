//! Stopping: the stop signal, patience, then SIGKILL. And waiting for an end.

use std::time::{Duration, Instant};

use isopod_monitor_protocol::launch::Restart;
use isopod_monitor_protocol::message::Request;
use isopod_monitor_protocol::status::Exit;
use isopod_spec::signal;
use isopod_sys::step::step;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Container, Phase, Session, SessionEnd};
use crate::{Error, Result};

/// docker's patience.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

const SIGKILL: i32 = 9;

impl Container<'_> {
    /// The signal that asks it to stop: its own setting, the image's, or SIGTERM.
    ///
    /// # Errors
    /// The image names no signal that exists.
    pub fn stop_signal(&self) -> Result<i32> {
        let image = self.record.image.as_ref().map(|image| image.config.stop_signal.as_str());
        let image = image.filter(|text| !text.is_empty());
        let signal = signal::for_stopping(self.record.settings.stop_signal.as_deref(), image)
            .map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(signal.number())
    }

    /// Asks it to stop with `signal` (default: [`Container::stop_signal`]), and after `timeout` (default: its
    /// own, or 10 s; `None` inside: never) kills it. Stopping one that does not run is no error.
    ///
    /// # Errors
    /// The monitor can't be reached or died.
    pub fn stop(&self, signal: Option<i32>, timeout: Option<Patience>) -> Result<Option<Exit>> {
        loop {
            let exit = self.end_run(Ending::ByHand, signal, timeout)?;
            if self.record.settings.restart == Restart::No {
                return Ok(exit);
            }
            // Its monitor may have been killed rather than have stopped it, and whoever noticed may have
            // started it again. Its death has to be on record before the policy can be forgone.
            if self.status()?.phase.is_alive() {
                continue;
            }
            self.forgo_policy()?;
            let status = self.status()?;
            if !status.phase.is_alive() {
                return Ok(status.exit);
            }
        }
    }

    /// As [`Container::stop`], but its restart policy isn't told that somebody stopped it: only that now
    /// nothing is started any more.
    pub(super) fn shut_down(&self, timeout: Option<Patience>) -> Result<Option<Exit>> {
        self.end_run(Ending::ShutDown, None, timeout)
    }

    /// Ends what runs now, if anything does.
    pub(super) fn end_run(
        &self,
        ending: Ending,
        signal: Option<i32>,
        timeout: Option<Patience>,
    ) -> Result<Option<Exit>> {
        let status = self.status()?;
        if !status.phase.is_alive() {
            return Ok(status.exit);
        }
        let patience = timeout.unwrap_or_else(|| match self.record.settings.stop_timeout {
            Some(seconds) => u64::try_from(seconds)
                .map_or(Patience::Endless, |seconds| Patience::For(Duration::from_secs(seconds))),
            None => Patience::For(DEFAULT_TIMEOUT),
        });
        let signal = match signal {
            Some(signal) => signal,
            None => self.stop_signal()?,
        };
        let mut watch = match self.watch() {
            // It ended, or was killed with its monitor, just now.
            Err(Error::State { .. } | Error::MonitorDied { .. }) => return Ok(self.status()?.exit),
            other => other?,
        };
        if status.phase == Phase::Paused {
            // A frozen process would not see the signal until somebody thaws it.
            self.resume().or_else(ended)?;
        }
        match ending {
            Ending::ByHand => self.send(signal, false, true),
            Ending::ShutDown => self.ask(Request::ShutDown { signal }).map(drop),
        }
        .or_else(ended)?;
        if !wait_for(&watch, patience)? {
            self.send(SIGKILL, true, ending == Ending::ByHand).or_else(ended)?;
        }
        step("stop.signalled");
        let exit = self.finish(&mut watch)?;
        step("stop.ended");
        // So that its ports and addresses are free when this returns.
        self.release_if_over()?;
        self.happened("stop", &[]);
        Ok(Some(exit))
    }

    /// Waits until it ends; at once for one that does not run.
    ///
    /// # Errors
    /// [`Error::State`] for one that was never started.
    pub fn wait(&self) -> Result<Exit> {
        match self.watch() {
            Ok(mut watch) => self.finish(&mut watch),
            Err(Error::State { .. }) => {
                let status = self.status()?;
                status.exit.ok_or_else(|| Error::State {
                    id: self.name().to_owned(),
                    state: status.phase.as_str(),
                    hint: "start it first",
                })
            }
            Err(error) => Err(error),
        }
    }

    fn finish(&self, watch: &mut Session) -> Result<Exit> {
        match watch.wait()? {
            SessionEnd::Exited(exit) => Ok(exit),
            SessionEnd::MonitorDied | SessionEnd::Lagged => self.status()?.exit.ok_or_else(|| {
                Error::MonitorDied { id: self.name().to_owned(), detail: String::new() }
            }),
        }
    }
}

/// Why it is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Somebody wants it to stay down.
    ByHand,
    /// The machine, or all of the instance, goes down.
    ShutDown,
}

/// How long to wait before SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// So long.
    For(Duration),
    /// For ever.
    Endless,
}

/// It may have ended before our request reached it, which is what we wanted.
fn ended(error: Error) -> Result<()> {
    match error {
        Error::State { .. } | Error::MonitorDied { .. } => Ok(()),
        error => Err(error),
    }
}

/// Whether the session had news before patience ran out.
fn wait_for(session: &Session, patience: Patience) -> Result<bool> {
    let deadline = match patience {
        Patience::For(patience) => Some(Instant::now() + patience),
        Patience::Endless => None,
    };
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        let mut descriptors = [PollFd::from_borrowed_fd(session.event_fd(), PollFlags::IN)];
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => {
                return Err(Error::System {
                    action: "cannot wait for the container",
                    source: errno.into(),
                });
            }
        }
    }
}

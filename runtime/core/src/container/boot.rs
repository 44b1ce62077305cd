//! The first and the last things of a boot: starting what restart policies want running, and stopping
//! everything in order.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::settings::{Namespace, Network};
use super::{Container, Patience, Phase};
use crate::{Result, Runtime};

/// So many containers are started at once: more would only wait for the same processors.
const STARTS: usize = 8;

/// So many are stopped at once: stopping is waiting.
const STOPS: usize = 64;

/// What became of one container.
#[derive(Debug)]
pub struct Outcome {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it was done.
    pub result: Result<()>,
}

impl Runtime {
    /// Starts the containers of all namespaces that a boot starts: those with the policy `always`, and with
    /// `unless-stopped` those that weren't stopped by hand; only such as have been started before, as for
    /// docker. Those that need another container's namespaces come after the others. A failure stops
    /// nothing else; containers whose records are damaged are among the outcomes.
    ///
    /// # Errors
    /// The database failed.
    pub fn start_all(&self) -> Result<Vec<Outcome>> {
        let (containers, mut outcomes) = self.everything()?;
        let wanted: Vec<Container<'_>> =
            containers.into_iter().filter(Container::is_wanted_at_boot).collect();
        if wanted.is_empty() {
            return Ok(outcomes);
        }
        // Put in its place once, before several would.
        self.monitor_program()?;
        let (first, second): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|container| !container.needs_another());
        for round in [first, second] {
            outcomes
                .extend(at_once(&round, STARTS, |container| container.start(None, None).map(drop)));
        }
        Ok(outcomes)
    }

    /// Stops the containers of all namespaces as `stop` does, except that this doesn't count as stopping by
    /// hand: a boot starts them again.
    ///
    /// # Errors
    /// The database failed.
    pub fn stop_all(&self, patience: Option<Patience>) -> Result<Vec<Outcome>> {
        let (containers, mut outcomes) = self.everything()?;
        let alive = |container: &Container<'_>| match container.status() {
            Ok(status) => status.phase.is_alive(),
            // Let the attempt say why.
            Err(_) => true,
        };
        let running: Vec<Container<'_>> = containers.into_iter().filter(alive).collect();
        outcomes
            .extend(at_once(&running, STOPS, |container| container.shut_down(patience).map(drop)));
        Ok(outcomes)
    }

    fn everything(&self) -> Result<(Vec<Container<'_>>, Vec<Outcome>)> {
        let (mut containers, mut damaged) = (Vec::new(), Vec::new());
        for namespace in self.namespaces().list()? {
            let listing = self.containers(&namespace.name).list()?;
            containers.extend(listing.containers);
            damaged.extend(listing.damaged.into_iter().map(|error| Outcome {
                namespace: namespace.name.clone(),
                name: String::new(),
                result: Err(error),
            }));
        }
        Ok((containers, damaged))
    }
}

impl Container<'_> {
    fn is_wanted_at_boot(&self) -> bool {
        // One that can't say what it does can't be started either; `ps` shows why.
        let Ok(status) = self.status() else { return false };
        let restart = self.record.settings.restart;
        matches!(status.phase, Phase::Exited | Phase::Failed)
            && restart.applies_at_boot(status.is_stopped_by_hand)
    }

    fn needs_another(&self) -> bool {
        matches!(self.record.settings.network, Network::Container(_)) || self.joins_another()
    }

    /// Whether its specification names another container's namespaces. (A network namespace is handed to
    /// its monitor.)
    pub(super) fn joins_another(&self) -> bool {
        let spaces = &self.record.settings.namespaces;
        let of_another = |space: &Namespace| matches!(space, Namespace::Container(_));
        [&spaces.pid, &spaces.ipc, &spaces.uts].into_iter().any(of_another)
    }
}

/// Does the same to many, `limit` at a time.
fn at_once(
    containers: &[Container<'_>],
    limit: usize,
    act: impl Fn(&Container<'_>) -> Result<()> + Sync,
) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut outcomes = Vec::new();
        while let Some(container) = containers.get(next.fetch_add(1, Ordering::Relaxed)) {
            outcomes.push(Outcome {
                namespace: container.namespace().to_owned(),
                name: container.name().to_owned(),
                result: act(container),
            });
        }
        outcomes
    };
    let mut outcomes = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..limit.min(containers.len())).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default());
        joined.collect::<Vec<_>>()
    });
    outcomes.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    outcomes
}

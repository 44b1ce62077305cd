//! The calls of `org.freedesktop.systemd1.Manager` (org.freedesktop.systemd1(5)) that scopes need.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::wire::{Reader, Value, Writer};
use crate::{Error, Property, Result, Scope};

/// For a job to end; runc's patience.
const JOB: Duration = Duration::from_secs(30);
/// For an ended unit of the same name to be forgotten.
const GONE: Duration = Duration::from_secs(10);
/// Between looks at it.
const PAUSE: Duration = Duration::from_millis(5);

const EXISTS: &str = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

/// systemd's manager.
#[derive(Debug)]
pub struct Manager {
    connection: Connection,
}

impl Manager {
    /// Connects.
    ///
    /// # Errors
    /// systemd does not run; it can't be reached.
    pub fn connect() -> Result<Self> {
        Ok(Self { connection: Connection::open()? })
    }

    /// Makes a scope around the process `pid` (its id in systemd's namespace), and returns when it is there.
    /// Its group is delegated: systemd leaves what is below alone. A scope goes with its last process.
    ///
    /// A unit of the name that is ending is waited for; `is_unused` says whether it has processes.
    ///
    /// # Errors
    /// [`Error::Exists`] where a unit of the name is in use; systemd's refusal.
    pub fn start_scope(
        &mut self,
        scope: &Scope,
        description: &str,
        pid: u32,
        properties: &[Property],
        mut is_unused: impl FnMut() -> bool,
    ) -> Result<()> {
        let text = |text: &str| Value::Text(text.to_owned());
        let mut all: Vec<Property> = [
            ("Description", text(description)),
            ("Slice", text(&scope.slice)),
            ("PIDs", Value::Numbers(vec![pid])),
            ("Delegate", Value::Bool(true)),
            // Its end is whoever's who made it: a shutdown is not to end it before them.
            ("DefaultDependencies", Value::Bool(false)),
            // Also one that was ended by a lack of memory is not to be remembered as a failed unit.
            ("CollectMode", text("inactive-or-failed")),
            ("MemoryAccounting", Value::Bool(true)),
            ("CPUAccounting", Value::Bool(true)),
            ("IOAccounting", Value::Bool(true)),
            ("TasksAccounting", Value::Bool(true)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        // What the caller says wins.
        all.retain(|(name, _)| properties.iter().all(|(other, _)| other != name));
        all.extend_from_slice(properties);
        let end = Instant::now() + GONE;
        let job = loop {
            let mut body = Writer::default();
            body.text(&scope.unit);
            body.text("replace");
            body.properties(&all);
            // No further units.
            body.array(8, |_| {});
            match self.connection.ask("StartTransientUnit", "ssa(sv)a(sa(sv))", body) {
                Ok(reply) => break Reader::new(&reply.body).text()?,
                Err(error) if !error.is(EXISTS) => return Err(error),
                Err(_) if !is_unused() || Instant::now() > end => {
                    return Err(Error::Exists(scope.unit.clone()));
                }
                Err(_) => {
                    self.reset_failed(&scope.unit)?;
                    sleep(PAUSE);
                }
            }
        };
        self.await_job(&job, &scope.unit)
    }

    fn await_job(&mut self, job: &str, unit: &str) -> Result<()> {
        let end = Instant::now() + JOB;
        loop {
            let signal = self.connection.signal(end)?;
            if signal.member != "JobRemoved" || signal.signature != "uoss" {
                continue;
            }
            let mut r = Reader::new(&signal.body);
            let (_id, path, _unit, result) = (r.u32()?, r.text()?, r.text()?, r.text()?);
            if path != job {
                continue;
            }
            return match result.as_str() {
                "done" => Ok(()),
                _ => Err(Error::Job { unit: unit.to_owned(), result }),
            };
        }
    }

    /// Changes properties until the unit goes.
    ///
    /// # Errors
    /// systemd's refusal.
    pub fn set_properties(&mut self, unit: &str, properties: &[Property]) -> Result<()> {
        let mut body = Writer::default();
        body.text(unit);
        body.bool(true);
        body.properties(properties);
        self.connection.ask("SetUnitProperties", "sba(sv)", body).map(drop)
    }

    /// Forgets that the unit has failed; one that is not there hasn't.
    ///
    /// # Errors
    /// systemd's refusal.
    pub fn reset_failed(&mut self, unit: &str) -> Result<()> {
        let mut body = Writer::default();
        body.text(unit);
        match self.connection.ask("ResetFailedUnit", "s", body) {
            Err(error) if error.is(NO_SUCH_UNIT) => Ok(()),
            other => other.map(drop),
        }
    }
}

//! Starting: the specification is written anew, a monitor is started, and it starts the process.

use std::fs;
use std::io;
use std::panic::resume_unwind;
use std::thread;

use isopod_monitor_protocol::client::Connection;
use isopod_monitor_protocol::data;
use isopod_monitor_protocol::launch::{Again, Rootfs};
use isopod_monitor_protocol::message::{Handed, Reply, Request, Size, Streams};
use isopod_sys::atomic::{self, Durability};
use isopod_sys::kernel;
use isopod_sys::lock::Lock;
use isopod_sys::step::step;
use oci_spec::runtime::Spec;

use super::network::Places;
use super::{Container, Phase, Session, users};
use crate::event::Entry;
use crate::layout::private_folder;
use crate::snapshot::view;
use crate::state::ContainerRow;
use crate::{Error, Result};

/// A started container.
#[derive(Debug)]
pub struct Started {
    /// Its first process in the host's pid namespace.
    pub pid: i32,
    /// The session that was asked for, or one without streams: its end is the container's.
    pub session: Session,
}

impl Container<'_> {
    /// Starts its process. With `attach`, the session is open before the process begins, so that
    /// nothing of its output is missed; `size` is a terminal's first size.
    ///
    /// # Errors
    /// [`Error::State`] if it runs; [`Error::CommandNotFound`], [`Error::CommandNotExecutable`]; anything
    /// that the kernel refuses.
    pub fn start(&self, attach: Option<Streams>, size: Option<Size>) -> Result<Started> {
        let _operation = self.lock_operation()?;
        let (connection, reply) = self.run(attach, size, None)?;
        match reply {
            Reply::Started { pid } => {
                let streams = attach.unwrap_or_default();
                let session = Session::new(connection, streams, Some(pid), None)?;
                Ok(Started { pid, session })
            }
            other => Err(self.unexpected(&other)),
        }
    }

    /// What comes before a start; the monitor records that itself, since the end may follow at once.
    fn record_start(&self, is_attached: bool) {
        if is_attached {
            self.happened("attach", &[]);
        }
        for volume in &self.record.volumes {
            let is_read_only = volume.options.iter().any(|option| option == "ro");
            let entry = Entry::now("volume", "mount", &volume.name)
                .with("container", self.id())
                .with("destination", volume.destination.as_str())
                .with("driver", "local")
                .with("propagation", "")
                .with("read/write", (!is_read_only).to_string());
            self.runtime.record(&entry);
        }
    }

    /// Starts a monitor that begins with the pause of a restart policy. The caller holds the operation's
    /// lock.
    pub(super) fn start_again(&self, again: Again) -> Result<()> {
        match self.run(None, None, Some(again))? {
            (_, Reply::Ok) => Ok(()),
            (_, other) => Err(self.unexpected(&other)),
        }
    }

    /// Starts a monitor, and returns its answer to `Run`.
    fn run(
        &self,
        attach: Option<Streams>,
        size: Option<Size>,
        again: Option<Again>,
    ) -> Result<(Connection, Reply)> {
        check_kernel()?;
        self.finish_creation()?;
        self.settled()?;
        self.require(&[Phase::Created, Phase::Exited, Phase::Failed], "stop it first")?;
        // First of all what somebody else may have: an address, a port.
        let places = self.take_places()?;
        step("start.places");
        let joined = self.open_joined()?;
        let made = self.record.settings.user_namespace().map(|users| users.make()).transpose()?;
        let (users, netns) = users::split(made);
        // The kernel's part of the networks goes on beside the rest.
        let (mut connection, mut parcel) = thread::scope(|scope| {
            let wiring = match &places {
                Places::Own { .. } => Some(scope.spawn(|| places.wire(netns))),
                Places::None | Places::Shared { .. } => None,
            };
            let connection = self.prepare(&places, again);
            let parcel = match wiring {
                Some(wiring) => wiring.join().unwrap_or_else(|panic| resume_unwind(panic)),
                None => places.wire(None),
            };
            Ok::<_, Error>((connection?, parcel?))
        })?;
        step("start.wired");
        if let Some(users) = users {
            parcel.add(Handed::UserNamespace, users);
        }
        for (kind, namespace) in joined {
            parcel.add(kind, namespace);
        }
        self.record_start(attach.is_some());
        let request = Request::Run { attach, size, handed: parcel.kinds.clone() };
        let reply = self.ask_on_with(&mut connection, request, &parcel.borrowed())?;
        step("start.answered");
        if matches!(reply, Reply::Started { .. } | Reply::Ok) {
            places.keep();
        }
        step("start.kept");
        Ok((connection, reply))
    }

    /// Writes all that the monitor reads, and starts it; it waits for `Run`.
    fn prepare(&self, places: &Places<'_>, again: Option<Again>) -> Result<Connection> {
        let rootfs = self.rootfs()?;
        self.write_files(places)?;
        step("start.files");
        let root = view::open(&rootfs)?;
        let spec = super::spec::build(self, &root, places)?;
        let health = self.launch_health(&spec, &root)?;
        drop(root);
        self.write_spec(&spec)?;
        step("start.specified");
        self.write_launch(rootfs, places, health, again)?;
        step("start.described");
        let connection = self.spawn_monitor()?;
        step("start.spawned");
        Ok(connection)
    }

    /// Writes the specification, and its filter as the monitor loads it.
    pub(super) fn write_spec(&self, spec: &Spec) -> Result<()> {
        let write = |name: &str, bytes: &[u8]| {
            let path = self.data().join(name);
            atomic::write(&path, bytes, 0o600, Durability::Process)
                .map_err(Error::io("cannot write", &path))
        };
        match super::spec::filter(spec)? {
            Some(filter) => write(data::FILTER, &filter.to_bytes())?,
            None => {
                let path = self.data().join(data::FILTER);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(Error::io("cannot remove", &path)(error));
                    }
                    _ => {}
                }
            }
        }
        write(data::SPEC, &serde_json::to_vec(spec).expect("a specification is JSON"))
    }

    /// Keeps other commands from starting or removing it at the same time.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was removed since it was looked up.
    pub(crate) fn lock_operation(&self) -> Result<Lock> {
        let folder = self.state();
        let path = folder.join("operation.lock");
        let lock = loop {
            match private_folder(&folder).and_then(|()| Lock::exclusive(&path)) {
                // Whoever removed it was faster than our look at the folder that we had just made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => break other.map_err(Error::io("cannot lock", &path))?,
            }
        };
        let (namespace, id) = (self.namespace(), self.id());
        if self.runtime.state().read(|c| ContainerRow::exact(c, namespace, id))?.is_none() {
            // The folder is of our own making.
            self.remove_state_folder()?;
            return Err(Error::NotFound { what: "container", name: self.name().to_owned() });
        }
        Ok(lock)
    }

    /// How its root file system is made.
    pub(crate) fn rootfs(&self) -> Result<Rootfs> {
        match (&self.record.rootfs, &self.record.snapshot) {
            (Some(path), _) => Ok(Rootfs::Folder { path: path.clone() }),
            (None, Some(key)) => self.runtime.snapshots().rootfs(key),
            (None, None) => Err(Error::Corrupt {
                path: self.data(),
                detail: "the container has neither a snapshot nor a folder".to_owned(),
            }),
        }
    }
}

/// A kernel that lacks a call would fail somewhere deep, where nobody could tell why.
pub(super) fn check_kernel() -> Result<()> {
    kernel::lacks().map_or(Ok(()), |(call, since)| Err(Error::Kernel { call, since }))
}

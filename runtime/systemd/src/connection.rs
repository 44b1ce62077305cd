//! A connection: to systemd itself, which root may have, or to the system's bus.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::wire::{Call, FIXED, Incoming, Kind, Reader, Writer, rest};
use crate::{Error, Result, check};

/// systemd's own socket, of which no bus is a part: it is there before the bus at boot, and after it.
const PRIVATE: &str = "/run/systemd/private";
const BUS: &str = "/run/dbus/system_bus_socket";
/// How long an answer may take; runc's patience.
const PATIENCE: Duration = Duration::from_secs(30);

const SYSTEMD: &str = "org.freedesktop.systemd1";
const SYSTEMD_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const DBUS: &str = "org.freedesktop.DBus";
const DBUS_PATH: &str = "/org/freedesktop/DBus";

/// See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    serial: u32,
    /// Those that came while an answer was waited for.
    signals: VecDeque<Incoming>,
}

impl Connection {
    pub(crate) fn open() -> Result<Self> {
        check()?;
        if let Ok(direct) = Self::to(PRIVATE) {
            return Ok(direct);
        }
        let mut bus = Self::to(BUS).map_err(|source| Error::Connect { path: BUS, source })?;
        bus.ask_bus("Hello", "", Writer::default())?;
        let mut rule = Writer::default();
        rule.text("type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'");
        bus.ask_bus("AddMatch", "s", rule)?;
        // Without it systemd says nothing on a bus.
        bus.ask("Subscribe", "", Writer::default())?;
        Ok(bus)
    }

    fn to(path: &str) -> io::Result<Self> {
        let mut stream = UnixStream::connect(path)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        authenticate(&mut stream)?;
        Ok(Self { stream, serial: 0, signals: VecDeque::new() })
    }

    /// Calls a method of systemd's manager.
    pub(crate) fn ask(
        &mut self,
        member: &'static str,
        signature: &'static str,
        body: Writer,
    ) -> Result<Incoming> {
        self.call(&Call {
            destination: SYSTEMD,
            path: SYSTEMD_PATH,
            interface: MANAGER,
            member,
            signature,
            body,
        })
    }

    fn ask_bus(
        &mut self,
        member: &'static str,
        signature: &'static str,
        body: Writer,
    ) -> Result<Incoming> {
        self.call(&Call {
            destination: DBUS,
            path: DBUS_PATH,
            interface: DBUS,
            member,
            signature,
            body,
        })
    }

    fn call(&mut self, call: &Call) -> Result<Incoming> {
        self.serial += 1;
        self.stream.write_all(&call.to_bytes(self.serial))?;
        let end = Instant::now() + PATIENCE;
        loop {
            let message = self.receive(end)?;
            match message.kind {
                Kind::Return if message.reply_to == self.serial => return Ok(message),
                Kind::Error if message.reply_to == self.serial => {
                    return Err(refusal(call.member, message));
                }
                Kind::Signal => self.signals.push_back(message),
                _ => {}
            }
        }
    }

    /// The next signal, of those that came already the first.
    pub(crate) fn signal(&mut self, end: Instant) -> Result<Incoming> {
        if let Some(signal) = self.signals.pop_front() {
            return Ok(signal);
        }
        loop {
            let message = self.receive(end)?;
            if message.kind == Kind::Signal {
                return Ok(message);
            }
        }
    }

    fn receive(&mut self, end: Instant) -> Result<Incoming> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut fixed = [0; FIXED];
        self.stream.read_exact(&mut fixed).map_err(timed_out)?;
        let mut message = fixed.to_vec();
        message.resize(FIXED + rest(&fixed)?, 0);
        self.stream.read_exact(&mut message[FIXED..]).map_err(timed_out)?;
        Incoming::parse(&message)
    }
}

/// The system call says that it would block.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

fn refusal(method: &'static str, message: Incoming) -> Error {
    let words = match message.signature.starts_with('s') {
        true => Reader::new(&message.body).text().unwrap_or_default(),
        false => String::new(),
    };
    let words = if words.is_empty() { message.error.clone() } else { words };
    Error::Refused { method, name: message.error, message: words }
}

/// By the credentials that the kernel tells of us ("Authentication Mechanisms", EXTERNAL).
fn authenticate(stream: &mut UnixStream) -> io::Result<()> {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
    stream.write_all(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes())?;
    let mut line = Vec::new();
    // Byte by byte: what follows the line's end is for others.
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).map_err(timed_out)?;
        line.extend(byte);
        if line.len() > 512 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    if !line.starts_with(b"OK ") {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    stream.write_all(b"BEGIN\r\n")
}

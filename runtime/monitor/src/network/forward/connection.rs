//! A connection to a published port, carried to the container and back. Each direction holds at most a
//! chunk, and only while its reader is slow; each ends on its own.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};

use crate::network::socket::{self, is_later};
use crate::poll::{Interest, Part, Poller, Token, Watched};

/// The most bytes that one direction holds.
const CHUNK: usize = 16 * 1024;
/// How many chunks are carried before others have their turn.
const AT_ONCE: usize = 8;
/// How long a container may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub struct Connection {
    outer: Side,
    inner: Side,
    /// Until when the inner side must be connected; `None` once it is.
    connecting: Option<Instant>,
}

/// One side.
#[derive(Debug)]
struct Side {
    socket: Watched,
    /// What it has yet to take, and how much of that it has.
    unsent: Vec<u8>,
    sent: usize,
    /// Whether nothing more comes from it.
    is_ended: bool,
    /// Whether it was told that nothing more comes to it.
    is_told: bool,
}

/// One side is gone without a farewell.
struct Broken;

impl Connection {
    /// Begins to carry `outer`, which was just accepted, to `target`. Where nothing listens there the
    /// client sees its connection reset.
    pub fn new(id: u32, poller: &Rc<Poller>, outer: OwnedFd, target: SocketAddr) -> Option<Self> {
        let Ok(inner) = socket::stream_to(target) else {
            reset(&outer);
            return None;
        };
        for side in [&outer, &inner] {
            // Bytes are passed on as they come: whoever sent them has waited already if it wanted to.
            sockopt::set_tcp_nodelay(side, true).ok();
            sockopt::set_socket_keepalive(side, true).ok();
        }
        let side = |socket, part| Side {
            socket: Watched::new(poller, socket, Token::Network(part, id)),
            unsent: Vec::new(),
            sent: 0,
            is_ended: false,
            is_told: false,
        };
        let mut connection = Self {
            outer: side(outer, Part::Outer),
            inner: side(inner, Part::Inner),
            connecting: Some(Instant::now() + PATIENCE),
        };
        connection.inner.socket.set(Interest::Write).ok()?;
        Some(connection)
    }

    /// When the container has taken too long to accept it.
    pub fn deadline(&self) -> Option<Instant> {
        self.connecting
    }

    /// Does what can be done; `false` where the connection is over.
    pub fn carry(&mut self) -> bool {
        if self.connecting.is_some() {
            if !socket::is_connected(&self.inner.socket) {
                return false;
            }
            self.connecting = None;
        }
        let carried = self
            .outer
            .carry_to(&mut self.inner)
            .and_then(|()| self.inner.carry_to(&mut self.outer))
            .and_then(|()| self.wait());
        if carried.is_err() {
            // What one side did to us, the other side sees.
            reset(&self.outer.socket);
            reset(&self.inner.socket);
            return false;
        }
        !(self.outer.is_told && self.inner.is_told)
    }

    fn wait(&mut self) -> Result<(), Broken> {
        let (outer, inner) = (self.outer.interest(&self.inner), self.inner.interest(&self.outer));
        self.outer.socket.set(outer).map_err(|_| Broken)?;
        self.inner.socket.set(inner).map_err(|_| Broken)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.connecting.is_some() {
            reset(&self.outer.socket);
        }
    }
}

impl Side {
    fn interest(&self, other: &Self) -> Interest {
        match (!self.is_ended && other.has_sent_all(), !self.has_sent_all()) {
            // The end that it has sent may not have been its last word.
            (false, false) if self.is_ended && !self.is_told => Interest::Break,
            (false, false) => Interest::None,
            (true, false) => Interest::Read,
            (false, true) => Interest::Write,
            (true, true) => Interest::Both,
        }
    }

    fn has_sent_all(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Carries what comes from this side, as far as it goes.
    fn carry_to(&mut self, to: &mut Self) -> Result<(), Broken> {
        let mut chunk = [0; CHUNK];
        if self.is_ended && !socket::is_connected(&self.socket) {
            return Err(Broken);
        }
        to.flush()?;
        for _ in 0..AT_ONCE {
            if !to.has_sent_all() || self.is_ended {
                break;
            }
            match recv(&self.socket, &mut chunk[..], RecvFlags::empty()) {
                Ok((0, _)) => self.is_ended = true,
                Ok((length, _)) => to.send(&chunk[..length])?,
                Err(error) if is_later(error) => break,
                Err(_) => return Err(Broken),
            }
        }
        if self.is_ended && to.has_sent_all() && !to.is_told {
            shutdown(&to.socket, Shutdown::Write).map_err(|_| Broken)?;
            to.is_told = true;
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let sent = self.send_some(bytes)?;
        if sent < bytes.len() {
            self.unsent = bytes[sent..].to_vec();
            self.sent = 0;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Broken> {
        if self.has_sent_all() {
            return Ok(());
        }
        self.sent += self.send_some(&self.unsent[self.sent..])?;
        if self.sent == self.unsent.len() {
            self.unsent = Vec::new();
        }
        Ok(())
    }

    fn send_some(&self, bytes: &[u8]) -> Result<usize, Broken> {
        let mut sent = 0;
        while sent < bytes.len() {
            match send(&self.socket, &bytes[sent..], SendFlags::NOSIGNAL) {
                Ok(more) => sent += more,
                Err(error) if is_later(error) => break,
                Err(_) => return Err(Broken),
            }
        }
        Ok(sent)
    }
}

/// Has the other side see a reset when the socket is closed, not an end.
pub(super) fn reset(socket: impl AsFd) {
    sockopt::set_socket_linger(socket, Some(Duration::ZERO)).ok();
}

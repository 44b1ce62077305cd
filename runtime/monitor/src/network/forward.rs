//! Published ports. Their sockets are held for as long as the monitor lives, so that nobody else gets
//! the port. The kernel's rules send nearly all traffic on before it comes here; what they can't (`[::1]`, a
//! container without an address of that family, a firewall that somebody has emptied) is carried.
//!
//! - [`connection`]: of TCP;
//! - [`datagrams`]: of UDP;
//! - [`local`]: whence its answers come.
//!
//! A container that is paused keeps its clients waiting; one that isn't up (restarting) refuses them.

mod connection;
mod datagrams;
mod local;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use isopod_monitor_protocol::launch::{Forward, Protocol};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::monitor::unused;
use crate::poll::{Interest, Part, Poller, Token, Watched};
use connection::Connection;
use datagrams::Datagrams;

/// How many connections are carried; more wait in the ports' queues.
const MAX_CONNECTIONS: usize = 1024;
/// How many are accepted before others have their turn.
const AT_ONCE: usize = 16;
/// How long to wait for descriptors when there are none left.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Forwarder {
    poller: Rc<Poller>,
    ports: Vec<Port>,
    /// With the number of its port.
    connections: BTreeMap<u32, (u32, Connection)>,
    datagrams: Datagrams,
    next: u32,
    /// Whether nothing is accepted at present, and until when at most.
    pause: Option<Pause>,
}

#[derive(Debug)]
struct Port {
    protocol: Protocol,
    host: SocketAddr,
    /// `None`: nowhere.
    target: Option<SocketAddr>,
    socket: Watched,
}

#[derive(Debug, Clone, Copy)]
enum Pause {
    /// Until a connection ends.
    Full,
    /// Until then.
    Until(Instant),
}

impl Forwarder {
    /// One for these ports and their sockets, in the same order.
    pub fn new(
        poller: &Rc<Poller>,
        forwards: &[Forward],
        sockets: Vec<OwnedFd>,
    ) -> io::Result<Self> {
        let port = |(number, (forward, socket)): (u32, (&Forward, OwnedFd))| {
            rustix::io::ioctl_fionbio(&socket, true)?;
            if forward.protocol == Protocol::Udp {
                local::announce(&socket, forward.host)?;
            }
            let token = Token::Network(Part::Forward, number);
            let mut socket = Watched::new(poller, socket, token);
            if forward.protocol != Protocol::Sctp {
                socket.set(Interest::Read)?;
            }
            let Forward { protocol, host, target } = *forward;
            Ok(Port { protocol, host, target: Some(target), socket })
        };
        let ports = (0..).zip(forwards.iter().zip(sockets)).map(port);
        Ok(Self {
            poller: Rc::clone(poller),
            ports: ports.collect::<io::Result<_>>()?,
            connections: BTreeMap::new(),
            datagrams: Datagrams::default(),
            next: 0,
            pause: None,
        })
    }

    /// Leads ports elsewhere; one that `forwards` lacks leads nowhere. What is being carried to where its port
    /// no longer leads ends: another container may be there by now.
    pub fn lead(&mut self, forwards: &[Forward]) {
        for (number, port) in (0..).zip(&mut self.ports) {
            let is_it =
                |forward: &&Forward| (forward.protocol, forward.host) == (port.protocol, port.host);
            let target = forwards.iter().find(is_it).map(|forward| forward.target);
            if port.target == target {
                continue;
            }
            port.target = target;
            self.datagrams.forget_port(number);
            let carried = self.connections.iter().filter(|(_, (port, _))| *port == number);
            for id in carried.map(|(id, _)| *id).collect::<Vec<_>>() {
                self.connections.remove(&id);
            }
        }
        if self.pause.is_some() {
            self.resume();
        }
        isopod_sys::process::trim_heap();
    }

    /// Does what became possible.
    pub fn handle(&mut self, part: Part, id: u32) {
        match part {
            Part::Forward => self.arrive(id),
            Part::Datagram => {
                let ports = &self.ports;
                self.datagrams.answer(id, |port| Some(&ports.get(port as usize)?.socket));
            }
            _ => self.carry(id),
        }
    }

    /// When [`Forwarder::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let connecting = self.connections.values().filter_map(|(_, carried)| carried.deadline());
        let paused = match self.pause {
            Some(Pause::Until(at)) => Some(at),
            _ => None,
        };
        connecting.chain(paused).chain(self.datagrams.deadline()).min()
    }

    /// Gives up what has waited for too long.
    pub fn expire(&mut self, now: Instant) {
        let is_late = |connection: &Connection| connection.deadline().is_some_and(|at| at <= now);
        let late = self.connections.iter().filter(|(_, (_, connection))| is_late(connection));
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(id);
        }
        self.datagrams.expire(now);
        if matches!(self.pause, Some(Pause::Until(at)) if at <= now) {
            self.resume();
        }
    }

    /// Something came to a port.
    fn arrive(&mut self, number: u32) {
        let Some(port) = self.ports.get(number as usize) else { return };
        match port.protocol {
            Protocol::Udp => {
                let target = port.target;
                self.datagrams.pass_on(&self.poller, number, &port.socket, target);
            }
            _ => self.accept(number),
        }
    }

    fn accept(&mut self, number: u32) {
        for _ in 0..AT_ONCE {
            if self.connections.len() >= MAX_CONNECTIONS {
                return self.stop(Pause::Full);
            }
            let Some(port) = self.ports.get(number as usize) else { return };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let outer = match accept_with(&port.socket, flags) {
                Ok(outer) => outer,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    return self.stop(Pause::Until(Instant::now() + PAUSE));
                }
                // Nobody is there, or no longer.
                Err(_) => return,
            };
            let id = unused(&mut self.next, |id| self.connections.contains_key(&id));
            let Some(target) = port.target else {
                connection::reset(&outer);
                continue;
            };
            if let Some(connection) = Connection::new(id, &self.poller, outer, target) {
                self.connections.insert(id, (number, connection));
            }
        }
    }

    fn stop(&mut self, pause: Pause) {
        self.pause = Some(pause);
        self.listen(Interest::None);
    }

    fn resume(&mut self) {
        self.pause = None;
        self.listen(Interest::Read);
    }

    fn listen(&mut self, interest: Interest) {
        for port in &mut self.ports {
            if port.protocol == Protocol::Tcp {
                port.socket.set(interest).ok();
            }
        }
    }

    fn carry(&mut self, id: u32) {
        let Some((_, connection)) = self.connections.get_mut(&id) else { return };
        if !connection.carry() {
            self.end(id);
        }
    }

    fn end(&mut self, id: u32) {
        self.connections.remove(&id);
        if self.pause.is_some() {
            self.resume();
        }
        if self.connections.is_empty() {
            isopod_sys::process::trim_heap();
        }
    }
}

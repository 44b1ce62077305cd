//! Datagrams to published ports. Each client of a port gets a socket towards the container, on which the
//! answers come, until nothing has come or gone for a while.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::local::{self, Arrived, Local};
use crate::monitor::unused;
use crate::network::socket;
use crate::poll::{Interest, Part, Poller, Token, Watched};

/// How many clients are served; for another one, who has been silent longest is forgotten.
const MAX_CLIENTS: usize = 256;
/// How long a client that is silent is remembered: as docker's proxy does.
const IDLE: Duration = Duration::from_secs(90);
/// How many datagrams are carried before others have their turn.
const AT_ONCE: usize = 16;
/// The largest datagram.
const LARGEST: usize = 65_535;

/// All clients of all ports.
#[derive(Debug, Default)]
pub struct Datagrams {
    clients: BTreeMap<u32, Client>,
    numbers: BTreeMap<Key, u32>,
    next: u32,
}

/// What tells clients apart: the port, their address, and to which address of ours they talk.
type Key = (u32, SocketAddr, Option<Local>);

#[derive(Debug)]
struct Client {
    key: Key,
    socket: Watched,
    last: Instant,
}

impl Datagrams {
    /// Passes on what came to the socket of `port`; without a target it is lost.
    pub fn pass_on(
        &mut self,
        poller: &Rc<Poller>,
        port: u32,
        from: &Watched,
        target: Option<SocketAddr>,
    ) {
        let mut buffer = vec![0; LARGEST];
        for _ in 0..AT_ONCE {
            let Ok(arrived) = local::receive(from, &mut buffer) else { return };
            let Some(Arrived { length, from: address, to }) = arrived else { continue };
            let Some(target) = target else { continue };
            let Some(client) = self.client(poller, (port, address, to), target) else { continue };
            client.last = Instant::now();
            // As anywhere on its way, it may get lost; a container that doesn't listen says so, which is
            // cleared by being told, so that the next one gets through.
            if send(&client.socket, &buffer[..length], SendFlags::NOSIGNAL).is_err() {
                send(&client.socket, &buffer[..length], SendFlags::NOSIGNAL).ok();
            }
        }
    }

    fn client(&mut self, poller: &Rc<Poller>, key: Key, target: SocketAddr) -> Option<&mut Client> {
        if let Some(id) = self.numbers.get(&key) {
            return self.clients.get_mut(id);
        }
        if self.clients.len() >= MAX_CLIENTS {
            let silent = self.clients.iter().min_by_key(|(_, client)| client.last);
            let silent = silent.map(|(id, _)| *id)?;
            self.forget(silent);
        }
        let socket = socket::datagram_to(target).ok()?;
        let id = unused(&mut self.next, |id| self.clients.contains_key(&id));
        let mut socket = Watched::new(poller, socket, Token::Network(Part::Datagram, id));
        socket.set(Interest::Read).ok()?;
        self.numbers.insert(key, id);
        self.clients.insert(id, Client { key, socket, last: Instant::now() });
        self.clients.get_mut(&id)
    }

    /// Passes on what the container answered to a client, from the socket of its port.
    pub fn answer<'a>(&mut self, id: u32, port_socket: impl Fn(u32) -> Option<&'a Watched>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let (port, address, ours) = client.key;
        let Some(port) = port_socket(port) else { return };
        let mut buffer = vec![0; LARGEST];
        for _ in 0..AT_ONCE {
            // An error is that nothing listens there, which is over by being told.
            let Ok((length, _)) = recv(&client.socket, &mut buffer[..], RecvFlags::empty()) else {
                return;
            };
            client.last = Instant::now();
            local::send(port, &buffer[..length], ours, address).ok();
        }
    }

    /// When the first client has been silent for long enough.
    pub fn deadline(&self) -> Option<Instant> {
        self.clients.values().map(|client| client.last + IDLE).min()
    }

    /// Forgets clients that have been silent for long enough.
    pub fn expire(&mut self, now: Instant) {
        let silent = self.clients.iter().filter(|(_, client)| client.last + IDLE <= now);
        for id in silent.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.forget(id);
        }
    }

    /// Forgets the clients of a port.
    pub fn forget_port(&mut self, port: u32) {
        let of_it = self.clients.iter().filter(|(_, client)| client.key.0 == port);
        for id in of_it.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: u32) {
        if let Some(client) = self.clients.remove(&id) {
            self.numbers.remove(&client.key);
        }
        if self.clients.is_empty() {
            isopod_sys::process::trim_heap();
        }
    }
}

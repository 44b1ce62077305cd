//! Connections: who may connect, what arrives whole, what is sent without ever waiting.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use isopod_monitor_protocol::frame::{self, Decoder, FrameError, encode};
use isopod_monitor_protocol::message::{Envelope, ErrorKind, Event, FromMonitor, Reply};
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

use super::Monitor;
use crate::poll::{Interest, Poller, Token, Watched};

/// How many clients are served at a time; more wait in the socket's queue.
pub const MAX_CLIENTS: usize = 256;

/// The number of no client: on whose behalf the monitor starts something of itself. What is sent to it
/// goes nowhere.
pub const NOBODY: u32 = u32::MAX;

/// What a connection is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing yet.
    Idle,
    /// The container's first client, which may ask for `Run`.
    First,
    /// It waits for a launcher.
    Starting,
    /// It has a session.
    Session {
        /// With which process.
        process: u32,
        /// Which one.
        session: u32,
    },
    /// It waits for the end of a process.
    Waiting {
        /// Which.
        process: u32,
    },
    /// It was told all that it will be told.
    Done,
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    socket: Watched,
    decoder: Decoder,
    unsent: VecDeque<Message>,
    /// What it is about.
    pub role: Role,
}

#[derive(Debug)]
struct Message {
    bytes: Vec<u8>,
    sent: usize,
    descriptors: Vec<OwnedFd>,
}

/// All connections.
#[derive(Debug)]
pub struct Clients {
    poller: Rc<Poller>,
    next: u32,
    all: BTreeMap<u32, Client>,
    /// The one that the monitor was started with.
    first: Option<u32>,
}

impl Clients {
    /// None yet.
    pub fn new(poller: &Rc<Poller>) -> Self {
        Self { poller: Rc::clone(poller), next: 0, all: BTreeMap::new(), first: None }
    }

    /// Adds the connection that the monitor was started with.
    pub fn add_first(&mut self, socket: UnixStream) -> io::Result<()> {
        let id = self.add(socket)?;
        self.first = Some(id);
        if let Some(client) = self.all.get_mut(&id) {
            client.role = Role::First;
            client.decoder.set_limit(frame::MAX_HANDED);
        }
        Ok(())
    }

    fn add(&mut self, socket: UnixStream) -> io::Result<u32> {
        socket.set_nonblocking(true)?;
        let id = unused(&mut self.next, |id| self.all.contains_key(&id));
        let mut socket = Watched::new(&self.poller, socket.into(), Token::Client(id));
        socket.set(Interest::Read)?;
        let client = Client {
            socket,
            decoder: Decoder::default(),
            unsent: VecDeque::new(),
            role: Role::Idle,
        };
        self.all.insert(id, client);
        Ok(id)
    }

    /// One of them.
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Client> {
        self.all.get_mut(&id)
    }

    /// Ends one.
    pub fn remove(&mut self, id: u32) -> Option<Client> {
        self.first = self.first.filter(|first| *first != id);
        self.all.remove(&id)
    }

    /// Which ones a test holds for.
    pub fn which(&self, test: impl Fn(Role) -> bool) -> Vec<u32> {
        self.all.iter().filter(|(_, client)| test(client.role)).map(|(id, _)| *id).collect()
    }

    /// Whether the one that the monitor was started with is still there, with a session.
    pub fn has_attached_first(&self) -> bool {
        let first = self.first.and_then(|first| self.all.get(&first));
        first.is_some_and(|client| matches!(client.role, Role::Session { .. }))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Sends a message, later where the socket is full: from then on nothing is read from this client
    /// until it has read, so that at most a chunk's worth of replies waits. To a client that is gone
    /// nothing is sent: its connection says so when it is served next.
    pub fn send(&mut self, id: u32, message: &FromMonitor, descriptors: Vec<OwnedFd>) {
        let Some(client) = self.all.get_mut(&id) else { return };
        // Our own messages are small and valid.
        let Ok(bytes) = encode(message) else { return };
        client.unsent.push_back(Message { bytes, sent: 0, descriptors });
        client.flush();
    }

    /// Sends a reply.
    pub fn reply(&mut self, id: u32, reply: Reply) {
        self.send(id, &FromMonitor::Reply(reply), Vec::new());
    }

    /// Sends the reply for a request that is refused or failed.
    pub fn refuse(&mut self, id: u32, kind: ErrorKind, message: impl Into<String>) {
        self.reply(id, Reply::Error { kind, message: message.into() });
    }

    /// Sends an event that is the last thing on its connection.
    pub fn conclude(&mut self, id: u32, event: Event) {
        self.send(id, &FromMonitor::Event(event), Vec::new());
        if let Some(client) = self.all.get_mut(&id) {
            client.role = Role::Done;
        }
    }
}

/// The next number that nothing has, of those that a token holds.
pub fn unused(next: &mut u32, is_used: impl Fn(u32) -> bool) -> u32 {
    loop {
        let id = *next;
        *next = (*next + 1) & 0x0fff_ffff;
        if !is_used(id) {
            return id;
        }
    }
}

impl Client {
    /// What came with `Run`; nothing may come again.
    pub fn take_handed(&mut self) -> Vec<OwnedFd> {
        self.decoder.set_limit(frame::MAX_DESCRIPTORS);
        self.decoder.take_descriptors()
    }

    fn flush(&mut self) {
        while let Some(message) = self.unsent.front_mut() {
            let descriptors: Vec<BorrowedFd<'_>> =
                message.descriptors.iter().map(AsFd::as_fd).collect();
            match frame::send(&self.socket, &message.bytes[message.sent..], &descriptors) {
                Ok(sent) => {
                    message.descriptors.clear();
                    message.sent += sent;
                    if message.sent == message.bytes.len() {
                        self.unsent.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Reading will tell that it is gone.
                Err(_) => self.unsent.clear(),
            }
        }
        let interest = if self.unsent.is_empty() { Interest::Read } else { Interest::Write };
        self.socket.set(interest).ok();
    }

    /// Receives what there is; `false` at the end of the connection.
    fn receive(&mut self) -> bool {
        match self.decoder.receive(&self.socket) {
            Ok(length) => {
                if self.role != Role::First {
                    // No other request carries descriptors.
                    self.decoder.take_descriptors();
                }
                length > 0
            }
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

impl Monitor {
    /// Takes a connection, if it comes from root or from who we are.
    pub(super) fn accept(&mut self) {
        if self.clients.count() >= MAX_CLIENTS {
            self.listen(Interest::None);
            return;
        }
        let Some((listener, _)) = &self.listener else { return };
        let Ok((socket, _)) = listener.accept() else { return };
        let is_ours =
            socket_peercred(&socket).is_ok_and(|peer| peer.uid.is_root() || peer.uid == geteuid());
        if is_ours {
            // One that can't be watched is dropped, which its client sees.
            self.clients.add(socket).ok();
        }
    }

    fn listen(&mut self, interest: Interest) {
        if let Some((_, watched)) = &mut self.listener {
            watched.set(interest).ok();
        }
    }

    /// Sends what waits, and takes what came on a connection once nothing does.
    pub(super) fn serve(&mut self, id: u32) {
        let Some(client) = self.clients.get_mut(id) else { return };
        client.flush();
        // What came before the client stopped to read its replies is answered first.
        self.answer_all(id);
        let Some(client) = self.clients.get_mut(id) else { return };
        if !client.unsent.is_empty() {
            return;
        }
        if client.receive() {
            self.answer_all(id);
        } else {
            self.drop_client(id);
        }
    }

    fn answer_all(&mut self, id: u32) {
        loop {
            let Some(client) = self.clients.get_mut(id) else { return };
            if !client.unsent.is_empty() {
                return;
            }
            match client.decoder.next_message::<Envelope>() {
                Ok(Some(envelope)) => self.answer(id, envelope),
                Ok(None) => return,
                Err(error) => {
                    let message = match &error {
                        FrameError::Malformed(source) => format!("{error}: {source}"),
                        _ => error.to_string(),
                    };
                    self.clients.refuse(id, ErrorKind::Invalid, message);
                    return self.drop_client(id);
                }
            }
        }
    }

    fn drop_client(&mut self, id: u32) {
        let Some(client) = self.clients.remove(id) else { return };
        match client.role {
            Role::Session { process, session } => {
                self.with_streams(process, |streams| streams.detach(session));
            }
            // Whoever started us went away without a word: there is nothing to monitor.
            Role::First => {
                self.abandon();
                self.is_over = true;
            }
            _ => {}
        }
        self.listen(Interest::Read);
    }

    /// Tells clients that their sessions read too slowly.
    pub(super) fn tell_lagged(&mut self, sessions: Vec<u32>) {
        for lagged in sessions {
            let of = |role| matches!(role, Role::Session { session, .. } if session == lagged);
            for id in self.clients.which(of) {
                self.clients.conclude(id, Event::Lagged);
            }
        }
    }
}

//! Descriptors that the event loop waits for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

/// What became ready: which of the monitor's things, and which descriptor of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A signal arrived.
    Signal,
    /// A client connects.
    Listener,
    /// A client's connection.
    Client(u32),
    /// A launcher's report.
    Report(u32),
    /// A process's output: which process, which stream.
    Output(u32, u8),
    /// A process's standard input takes bytes again.
    Input(u32),
    /// A session's source of input: which process, which session.
    Source(u32, u32),
    /// A session's sink takes bytes again: which process, stream and session.
    Sink(u32, u8, u32),
    /// What the container's group says of its memory.
    Memory,
    /// The child that writes the log takes bytes again.
    Log,
    /// Something of the container's network: what, and which one of these.
    Network(Part, u32),
}

/// What of the network side became ready; see [`crate::network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The name server's datagram socket.
    Questions,
    /// The name server's listener.
    QuestionListener,
    /// The answer to a question that was passed on.
    Answer,
    /// A connection to the name server.
    QuestionStream,
    /// What such a connection asks another server.
    AnswerStream,
    /// A published port's socket.
    Forward,
    /// The outer side of a connection to a published port.
    Outer,
    /// Its side in the container.
    Inner,
    /// What a container answers to a datagram that came to a published port.
    Datagram,
}

impl Part {
    const ALL: [Self; 9] = [
        Self::Questions,
        Self::QuestionListener,
        Self::Answer,
        Self::QuestionStream,
        Self::AnswerStream,
        Self::Forward,
        Self::Outer,
        Self::Inner,
        Self::Datagram,
    ];
}

impl Token {
    /// Process ids and session ids count up from 0 in one monitor: 28 bits of each suffice.
    fn pack(self) -> u64 {
        let (kind, a, stream, b) = match self {
            Self::Signal => (0, 0, 0, 0),
            Self::Listener => (1, 0, 0, 0),
            Self::Client(client) => (2, client, 0, 0),
            Self::Report(process) => (3, process, 0, 0),
            Self::Output(process, stream) => (4, process, stream, 0),
            Self::Input(process) => (5, process, 0, 0),
            Self::Source(process, session) => (6, process, 0, session),
            Self::Sink(process, stream, session) => (7, process, stream, session),
            Self::Memory => (8, 0, 0, 0),
            Self::Log => (9, 0, 0, 0),
            Self::Network(part, id) => (15, id, part as u8, 0),
        };
        u64::from(kind as u8) << 60 | u64::from(stream) << 56 | u64::from(a) << 28 | u64::from(b)
    }

    fn unpack(bits: u64) -> Self {
        const MASK: u64 = (1 << 28) - 1;
        let (a, b) = (((bits >> 28) & MASK) as u32, (bits & MASK) as u32);
        let stream = (bits >> 56 & 0xf) as u8;
        match bits >> 60 {
            0 => Self::Signal,
            1 => Self::Listener,
            2 => Self::Client(a),
            3 => Self::Report(a),
            4 => Self::Output(a, stream),
            5 => Self::Input(a),
            6 => Self::Source(a, b),
            8 => Self::Memory,
            9 => Self::Log,
            15 => Self::Network(Part::ALL[usize::from(stream) % Part::ALL.len()], a),
            _ => Self::Sink(a, stream, b),
        }
    }
}

/// What to wait for on a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Nothing, not even that the other side closes.
    None,
    /// Bytes, or the end.
    Read,
    /// Room.
    Write,
    /// Either.
    Both,
    /// Nothing but that the connection breaks.
    Break,
    /// That a file of the kernel's says something else than when it was read.
    Change,
}

/// The set of descriptors waited for.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    /// An empty set.
    pub fn new() -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? }))
    }

    /// Waits until something is ready, for at most `timeout`.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<Token>> {
        let mut events = Vec::with_capacity(16);
        let timeout = timeout.map(|time| Timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        });
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            timeout.as_ref(),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(events.iter().map(|event| Token::unpack(event.data.u64())).collect())
    }
}

/// A descriptor that is in the set while there is interest in it.
#[derive(Debug)]
pub struct Watched {
    fd: OwnedFd,
    token: Token,
    interest: Interest,
    poller: Rc<Poller>,
}

impl Watched {
    /// Takes the descriptor; nothing is waited for yet.
    pub fn new(poller: &Rc<Poller>, fd: OwnedFd, token: Token) -> Self {
        Self { fd, token, interest: Interest::None, poller: Rc::clone(poller) }
    }

    /// Changes what to wait for.
    pub fn set(&mut self, interest: Interest) -> io::Result<()> {
        let flags = match interest {
            Interest::None | Interest::Break => EventFlags::empty(),
            Interest::Read => EventFlags::IN,
            Interest::Write => EventFlags::OUT,
            Interest::Change => EventFlags::PRI,
            Interest::Both => EventFlags::IN | EventFlags::OUT,
        };
        let data = EventData::new_u64(self.token.pack());
        let set = &self.poller.epoll;
        match (self.interest, interest) {
            (old, new) if old == new => {}
            // A hang-up is reported even where nothing was asked for: so such descriptors are taken out.
            (_, Interest::None) => epoll::delete(set, &self.fd)?,
            (Interest::None, _) => epoll::add(set, &self.fd, data, flags)?,
            _ => epoll::modify(set, &self.fd, data, flags)?,
        }
        self.interest = interest;
        Ok(())
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Closing alone would not do it while a forked child still holds a copy.
        self.set(Interest::None).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_their_packing() {
        let most = (1 << 28) - 1;
        for token in [
            Token::Signal,
            Token::Listener,
            Token::Client(most),
            Token::Report(3),
            Token::Output(most, 1),
            Token::Input(7),
            Token::Memory,
            Token::Log,
            Token::Source(5, most),
            Token::Sink(most, 1, most),
        ] {
            assert_eq!(Token::unpack(token.pack()), token);
        }
        for part in Part::ALL {
            let token = Token::Network(part, most);
            assert_eq!(Token::unpack(token.pack()), token);
        }
    }
}

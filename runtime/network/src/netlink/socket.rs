//! A netlink socket: several messages in one call, and an answer for each.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use super::message::{HEADER, Message, aligned, find, text};

/// `NLMSG_ERROR`: an acknowledgement, of an error or of none.
const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
const DONE: u16 = 3;
/// `NLM_F_CAPPED`: the request is not repeated but for its header.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes follow.
const WITH_ATTRIBUTES: u16 = 0x200;
/// `NLM_F_DUMP_INTR`: something changed under the dump.
const INTERRUPTED: u16 = 0x10;
/// `NLMSGERR_ATTR_MSG`: the error in words.
const WORDS: u16 = 1;
/// `NLM_F_ACK`.
const ACK: u16 = 4;
/// `NLM_F_DUMP`.
const DUMP: u16 = 0x300;
/// The most the kernel puts into one piece of a dump.
const PIECE: usize = 64 << 10;

/// The most that may be on its way, in the kernel's reckoning: near 1 KiB an acknowledgement.
const WAITING: usize = 4 << 20;

/// Whom a socket speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// rtnetlink: devices, addresses, routes.
    Route,
    /// nfnetlink: nftables, connection tracking.
    Netfilter,
}

/// A message of the kernel's, without its header.
#[derive(Debug)]
pub struct Reply {
    /// The family's header and the attributes.
    pub body: Vec<u8>,
}

/// What became of one message.
#[derive(Debug, Default)]
pub struct Answer {
    /// What it asked for.
    pub replies: Vec<Reply>,
    /// Whether it was heeded; `None`: no word about it (of a batch that was not begun).
    pub outcome: Option<Result<(), Refused>>,
    /// The dump saw changes: what it tells may be neither before nor after.
    pub was_interrupted: bool,
}

/// The kernel's no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its error.
    pub errno: Errno,
    /// The same in its words, where it has any.
    pub words: Option<String>,
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        let error = Self::from(refused.errno);
        match refused.words {
            Some(words) => Self::new(error.kind(), format!("{error}: {words}")),
            None => error,
        }
    }
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Self { errno, words: None }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self { errno: Errno::from_io_error(&error).unwrap_or(Errno::IO), words: None }
    }
}

/// A socket. It stays in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Socket {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn open(family: Family) -> io::Result<Self> {
        let protocol = match family {
            Family::Route => None,
            Family::Netfilter => Some(netlink::NETFILTER),
        };
        let socket = net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        isopod_sys::netlink::ask_for_words(socket.as_fd())?;
        // Thousands of ports are one transaction, many messages have as many acknowledgements; without
        // the privilege the usual sizes must do.
        let _ = net::sockopt::set_socket_send_buffer_size_force(&socket, WAITING);
        let _ = net::sockopt::set_socket_recv_buffer_size_force(&socket, WAITING);
        Ok(Self { socket, sequence: 0, buffer: vec![0; PIECE] })
    }

    /// Sends `messages` in one call and waits for an answer to each that asks for one, dumps included.
    ///
    /// # Errors
    ///
    /// That they could not be sent, or that answers were lost.
    pub fn exchange(&mut self, messages: &[Message]) -> Result<Vec<Answer>, Refused> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.sequence.wrapping_add(1);
        let mut sent = Vec::new();
        for message in messages {
            self.sequence = self.sequence.wrapping_add(1);
            sent.extend(message.finish(self.sequence));
        }
        rustix::io::retry_on_intr(|| net::send(&self.socket, &sent, SendFlags::empty()))?;
        let mut answers: Vec<Answer> = messages.iter().map(|_| Answer::default()).collect();
        let is_asked = |m: &Message| m.flags() & (ACK | DUMP) != 0;
        let mut open = messages.iter().filter(|m| is_asked(m)).count();
        while open > 0 {
            let size = self.receive()?;
            let mut rest = &self.buffer[..size];
            while let Some((header, body, next)) = split(rest) {
                rest = next;
                // Of an earlier exchange that was given up: not ours.
                let Some(nth) = header.sequence.checked_sub(first) else { continue };
                let nth = nth as usize;
                let Some(answer) = answers.get_mut(nth) else { continue };
                answer.was_interrupted |= header.flags & INTERRUPTED != 0;
                if header.kind != ERROR && header.kind != DONE {
                    answer.replies.push(Reply { body: body.to_vec() });
                    continue;
                }
                if answer.outcome.is_none() && is_asked(&messages[nth]) {
                    open -= 1;
                }
                let outcome = outcome(&header, body);
                // Whoever lacks the privilege is told so once: nfnetlink reads no further.
                if let (0, Err(refused)) = (nth, &outcome)
                    && refused.errno == Errno::PERM
                {
                    return Err(refused.clone());
                }
                answer.outcome = Some(outcome);
                // What begins a batch is answered only if nothing of the batch is done.
                if !is_asked(&messages[nth]) {
                    return Ok(answers);
                }
            }
        }
        Ok(answers)
    }

    fn receive(&mut self) -> Result<usize, Refused> {
        let received = rustix::io::retry_on_intr(|| {
            net::recv(&self.socket, &mut *self.buffer, RecvFlags::empty())
        });
        Ok(received.map(|(size, _)| size)?)
    }
}

#[derive(Debug, Clone, Copy)]
struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

/// The first message of `bytes`: its header, its body, and what follows.
fn split(bytes: &[u8]) -> Option<(Header, &[u8], &[u8])> {
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let size = word(0)? as usize;
    let header = Header { kind: half(4)?, flags: half(6)?, sequence: word(8)? };
    let body = bytes.get(HEADER..size)?;
    Some((header, body, bytes.get(aligned(size)..).unwrap_or_default()))
}

/// What is in a piece that the kernel sent: bodies of replies, and what acknowledgements say.
pub fn pieces(mut bytes: &[u8]) -> (Vec<Reply>, Vec<Result<(), Refused>>) {
    let (mut replies, mut outcomes) = (Vec::new(), Vec::new());
    while let Some((header, body, rest)) = split(bytes) {
        bytes = rest;
        match header.kind {
            ERROR | DONE => outcomes.push(outcome(&header, body)),
            _ => replies.push(Reply { body: body.to_vec() }),
        }
    }
    (replies, outcomes)
}

/// What an acknowledgement or the end of a dump says.
fn outcome(header: &Header, body: &[u8]) -> Result<(), Refused> {
    let code = body.get(..4).map_or(0, |b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
    if code == 0 {
        return Ok(());
    }
    let told = match header.kind {
        _ if header.flags & WITH_ATTRIBUTES == 0 => None,
        DONE => body.get(4..),
        _ if header.flags & CAPPED != 0 => body.get(4 + HEADER..),
        // The whole request is repeated before the attributes.
        _ => {
            let size = body.get(4..8).map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
            body.get(4 + aligned(size as usize)..)
        }
    };
    let words = told.and_then(|told| find(told, WORDS)).map(text);
    // Errors are small negative numbers; the type for them takes nothing else.
    let errno =
        if (-4095..0).contains(&code) { Errno::from_raw_os_error(-code) } else { Errno::IO };
    Err(Refused { errno, words })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that are no error's: positive ones, and those whose opposite there is not.
    #[test]
    fn an_outcome_that_is_no_errors_number_is_an_error_all_the_same() {
        for (code, errno) in
            [(-2, Errno::NOENT), (1, Errno::IO), (i32::MIN, Errno::IO), (-4096, Errno::IO)]
        {
            let mut bytes = 20_u32.to_ne_bytes().to_vec();
            bytes.extend(ERROR.to_ne_bytes());
            bytes.extend([0; 10]);
            bytes.extend(code.to_ne_bytes());
            let (replies, outcomes) = pieces(&bytes);
            assert!(replies.is_empty());
            assert_eq!(outcomes, [Err(Refused { errno, words: None })], "{code}");
        }
    }
}

//! Questions by a connection (RFC 7766): each message has its length before it. One question of a
//! connection is answered at a time; further ones wait in the socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::knowledge::Knowledge;
use super::message::{self, Code, MAX_QUESTION, Question};
use super::{Verdict, patience, random_id};
use crate::network::socket::{self, is_later};
use crate::poll::{Interest, Part, Poller, Token, Watched};

/// How long an asker may take to ask, or to take an answer.
const IDLE: Duration = Duration::from_secs(10);
const CHUNK: usize = 4096;

/// A connection.
#[derive(Debug)]
pub struct Stream {
    socket: Watched,
    input: Vec<u8>,
    output: Output,
    asks: Option<Asks>,
    deadline: Instant,
}

/// A question that another server has to answer.
#[derive(Debug)]
struct Asks {
    asked: Vec<u8>,
    question: Question,
    servers: std::vec::IntoIter<SocketAddr>,
    socket: Option<Watched>,
    is_connected: bool,
    id: u16,
    output: Output,
    input: Vec<u8>,
    deadline: Instant,
}

/// What is still to be sent.
#[derive(Debug, Default)]
struct Output {
    bytes: Vec<u8>,
    sent: usize,
}

/// What a step led to.
enum Step {
    /// Nothing more can be done now.
    Waits,
    /// This is to be sent to the asker.
    Answer(Vec<u8>),
}

/// The other side is gone, or doesn't keep to the rules.
struct Broken;

impl Stream {
    /// One that was just accepted.
    pub fn new(id: u32, poller: &Rc<Poller>, socket: OwnedFd) -> io::Result<Self> {
        let mut socket = Watched::new(poller, socket, Token::Network(Part::QuestionStream, id));
        socket.set(Interest::Read)?;
        let deadline = Instant::now() + IDLE;
        Ok(Self { socket, input: Vec::new(), output: Output::default(), asks: None, deadline })
    }

    /// When it has waited for too long.
    pub fn deadline(&self) -> Instant {
        self.asks.as_ref().map_or(self.deadline, |asks| asks.deadline)
    }

    /// After its deadline: asks another server; `false` where the connection is over.
    pub fn is_late(&mut self, id: u32, poller: &Rc<Poller>, knowledge: &mut Knowledge) -> bool {
        let Some(asks) = &mut self.asks else { return false };
        let step = asks.ask_next(id, poller);
        self.take(step).and_then(|()| self.converse(id, poller, knowledge, false)).is_ok()
    }

    /// Does what can be done; `false` where the connection is over.
    pub fn go_on(&mut self, id: u32, poller: &Rc<Poller>, knowledge: &mut Knowledge) -> bool {
        if let Some(asks) = &mut self.asks {
            let step = asks.advance(id, poller);
            return self
                .take(step)
                .and_then(|()| self.converse(id, poller, knowledge, false))
                .is_ok();
        }
        self.converse(id, poller, knowledge, true).is_ok()
    }

    fn take(&mut self, step: Step) -> Result<(), Broken> {
        if let Step::Answer(answer) = step {
            self.asks = None;
            self.output = Output::framed(&answer).ok_or(Broken)?;
            self.deadline = Instant::now() + IDLE;
        }
        Ok(())
    }

    /// Sends the answer that there is, takes the next question, and so on. Nothing is received while
    /// there is a question or an answer left, so that no asker can make this grow.
    fn converse(
        &mut self,
        id: u32,
        poller: &Rc<Poller>,
        knowledge: &mut Knowledge,
        mut may_receive: bool,
    ) -> Result<(), Broken> {
        let interest = loop {
            if self.asks.is_some() {
                break Interest::None;
            }
            self.output.flush(&self.socket)?;
            if !self.output.is_empty() {
                break Interest::Write;
            }
            if let Some(asked) = message(&mut self.input, MAX_QUESTION)? {
                let step = self.judge(asked, id, poller, knowledge)?;
                self.take(step)?;
            } else if std::mem::take(&mut may_receive) {
                if receive(&self.socket, &mut self.input)? {
                    self.deadline = Instant::now() + IDLE;
                }
            } else {
                break Interest::Read;
            }
        };
        self.socket.set(interest).map_err(|_| Broken)
    }

    fn judge(
        &mut self,
        asked: Vec<u8>,
        id: u32,
        poller: &Rc<Poller>,
        knowledge: &mut Knowledge,
    ) -> Result<Step, Broken> {
        match knowledge.judge(&asked, true) {
            Verdict::Ignore => Err(Broken),
            Verdict::Answer(answer) => Ok(Step::Answer(answer)),
            Verdict::PassOn(question, servers) => {
                let asks = self.asks.insert(Asks::new(asked, question, servers));
                Ok(asks.ask_next(id, poller))
            }
        }
    }
}

impl Asks {
    fn new(asked: Vec<u8>, question: Question, servers: Vec<SocketAddr>) -> Self {
        Self {
            asked,
            question,
            servers: servers.into_iter(),
            socket: None,
            is_connected: false,
            id: 0,
            output: Output::default(),
            input: Vec::new(),
            deadline: Instant::now(),
        }
    }

    fn ask_next(&mut self, id: u32, poller: &Rc<Poller>) -> Step {
        while let Some(server) = self.servers.next() {
            self.deadline = Instant::now() + patience(self.servers.len());
            if self.begin(server, id, poller).is_ok() {
                return Step::Waits;
            }
        }
        Step::Answer(message::refusal(&self.asked, Some(&self.question), Code::ServFail))
    }

    fn begin(&mut self, server: SocketAddr, id: u32, poller: &Rc<Poller>) -> io::Result<()> {
        self.socket = None;
        self.is_connected = false;
        self.input.clear();
        let socket = socket::stream_to(server)?;
        self.id = random_id()?;
        let mut asked = self.asked.clone();
        message::renumber(&mut asked, self.id);
        self.output = Output::framed(&asked).ok_or(io::ErrorKind::InvalidData)?;
        let mut watched = Watched::new(poller, socket, Token::Network(Part::AnswerStream, id));
        watched.set(Interest::Write)?;
        self.socket = Some(watched);
        Ok(())
    }

    fn advance(&mut self, id: u32, poller: &Rc<Poller>) -> Step {
        match self.exchange() {
            Ok(None) => Step::Waits,
            Ok(Some(mut answer)) if !message::is_failure(&answer) => {
                message::renumber(&mut answer, u16::from_be_bytes([self.asked[0], self.asked[1]]));
                Step::Answer(answer)
            }
            Ok(Some(_)) | Err(Broken) => self.ask_next(id, poller),
        }
    }

    fn exchange(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let socket = self.socket.as_mut().ok_or(Broken)?;
        if !self.is_connected {
            if !socket::is_connected(&*socket) {
                return Err(Broken);
            }
            self.is_connected = true;
        }
        if !self.output.is_empty() {
            self.output.flush(&*socket)?;
            if self.output.is_empty() {
                socket.set(Interest::Read).map_err(|_| Broken)?;
            }
            return Ok(None);
        }
        receive(&*socket, &mut self.input)?;
        let Some(answer) = message(&mut self.input, usize::from(u16::MAX))? else {
            return Ok(None);
        };
        if self.question.is_answered_by(&self.asked, &answer, self.id) {
            Ok(Some(answer))
        } else {
            Err(Broken)
        }
    }
}

impl Output {
    fn framed(message: &[u8]) -> Option<Self> {
        let length = u16::try_from(message.len()).ok()?;
        let mut bytes = Vec::with_capacity(2 + message.len());
        bytes.extend(length.to_be_bytes());
        bytes.extend(message);
        Some(Self { bytes, sent: 0 })
    }

    fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    fn flush(&mut self, socket: impl AsFd) -> Result<(), Broken> {
        while !self.is_empty() {
            match send(&socket, &self.bytes[self.sent..], SendFlags::NOSIGNAL) {
                Ok(sent) => self.sent += sent,
                Err(error) if is_later(error) => return Ok(()),
                Err(_) => return Err(Broken),
            }
        }
        *self = Self::default();
        Ok(())
    }
}

/// Appends what there is, a chunk at most; whether there was anything.
fn receive(socket: impl AsFd, input: &mut Vec<u8>) -> Result<bool, Broken> {
    let mut chunk = [0; CHUNK];
    match recv(socket, &mut chunk[..], RecvFlags::empty()) {
        Ok((0, _)) => Err(Broken),
        Ok((length, _)) => {
            input.extend_from_slice(&chunk[..length]);
            Ok(true)
        }
        Err(error) if is_later(error) => Ok(false),
        Err(_) => Err(Broken),
    }
}

/// Takes the first message, once it is there whole.
fn message(input: &mut Vec<u8>, most: usize) -> Result<Option<Vec<u8>>, Broken> {
    let Some((header, rest)) = input.split_first_chunk::<2>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes(*header));
    if length > most {
        return Err(Broken);
    }
    let Some(message) = rest.get(..length) else { return Ok(None) };
    let message = message.to_vec();
    input.drain(..2 + length);
    if input.is_empty() {
        *input = Vec::new();
    }
    Ok(Some(message))
}

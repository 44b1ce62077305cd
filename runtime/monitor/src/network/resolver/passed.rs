//! A question by datagram that another server has to answer: each has a socket of its own, at a port that
//! the kernel picks, which hears that server alone.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::message::{self, Code, MAX_QUESTION, Question};
use super::{patience, random_id};
use crate::network::socket::{self, is_later};
use crate::poll::{Interest, Part, Poller, Token, Watched};

/// See the module.
#[derive(Debug)]
pub struct Passed {
    /// Who asked.
    pub from: SocketAddr,
    /// When the server that is asked has taken too long.
    pub deadline: Instant,
    asked: Vec<u8>,
    question: Question,
    servers: std::vec::IntoIter<SocketAddr>,
    socket: Option<Watched>,
    id: u16,
}

/// How far a question has come.
#[derive(Debug)]
pub enum Progress {
    /// A server is asked.
    Waits,
    /// This is the answer.
    Over(Vec<u8>),
}

impl Passed {
    /// One that nobody was asked yet.
    pub fn new(
        from: SocketAddr,
        asked: Vec<u8>,
        question: Question,
        servers: Vec<SocketAddr>,
    ) -> Self {
        let (servers, deadline) = (servers.into_iter(), Instant::now());
        Self { from, deadline, asked, question, servers, socket: None, id: 0 }
    }

    /// Asks the next server that can be asked.
    pub fn ask_next(&mut self, id: u32, poller: &Rc<Poller>) -> Progress {
        while let Some(server) = self.servers.next() {
            self.deadline = Instant::now() + patience(self.servers.len());
            if self.ask(server, id, poller).is_ok() {
                return Progress::Waits;
            }
        }
        Progress::Over(message::refusal(&self.asked, Some(&self.question), Code::ServFail))
    }

    fn ask(&mut self, server: SocketAddr, id: u32, poller: &Rc<Poller>) -> std::io::Result<()> {
        let socket = socket::datagram_to(server)?;
        self.id = random_id()?;
        let theirs = message::renumber(&mut self.asked, self.id);
        let sent = send(&socket, &self.asked, SendFlags::NOSIGNAL);
        message::renumber(&mut self.asked, theirs);
        sent?;
        let mut watched = Watched::new(poller, socket, Token::Network(Part::Answer, id));
        watched.set(Interest::Read)?;
        self.socket = Some(watched);
        Ok(())
    }

    /// Takes what came; what is no answer to this question is none.
    pub fn take_answer(&mut self, id: u32, poller: &Rc<Poller>) -> Progress {
        let mut buffer = [0; MAX_QUESTION];
        loop {
            let Some(socket) = &self.socket else { return Progress::Waits };
            let length = match recv(socket, &mut buffer[..], RecvFlags::TRUNC) {
                Ok((_, length)) => length,
                Err(Errno::INTR) => continue,
                Err(error) if is_later(error) => return Progress::Waits,
                // Nothing listens there.
                Err(_) => return self.ask_next(id, poller),
            };
            let answer = &mut buffer[..length.min(MAX_QUESTION)];
            if !self.question.is_answered_by(&self.asked, answer, self.id) {
                continue;
            }
            if message::is_failure(answer) {
                return self.ask_next(id, poller);
            }
            if length > MAX_QUESTION {
                return Progress::Over(message::too_large(&self.asked, &self.question));
            }
            let theirs = u16::from_be_bytes([self.asked[0], self.asked[1]]);
            message::renumber(answer, theirs);
            return Progress::Over(answer.to_vec());
        }
    }
}

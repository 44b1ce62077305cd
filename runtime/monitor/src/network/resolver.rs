//! The name server in the container's network namespace, on sockets that were handed over: nobody
//! outside that namespace can reach it.
//!
//! - [`message`]: questions and answers;
//! - [`knowledge`]: what is answered from files;
//! - [`passed`]: questions by datagram that another server has to answer;
//! - [`stream`]: questions by a connection.
//!
//! As docker's does, it answers names of the container's networks, and passes everything else on to
//! the host's servers from the host's network namespace; where that isn't wanted (networks without a way
//! out) or nobody answers, it says that it failed, and beyond its bounds that it refuses. What it passes on
//! and back it doesn't change but for the number, so that extensions (EDNS, DNSSEC) work.

mod knowledge;
mod message;
mod passed;
mod stream;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use isopod_monitor_protocol::launch::Resolver;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recvfrom, sendto};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::monitor::unused;
use crate::poll::{Interest, Part, Poller, Token, Watched};
use knowledge::Knowledge;
use message::{CLASS_IN, Code, Incoming, MAX_QUESTION, Question};
use passed::{Passed, Progress};
use stream::Stream;

/// How many questions by datagram may wait for other servers.
const MAX_PASSED: usize = 256;
/// How many connections are served.
const MAX_STREAMS: usize = 64;
/// How many questions are taken before others have their turn.
const AT_ONCE: usize = 32;
/// How long to wait for descriptors when there are none left.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a server may take while there are others to ask.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the last one may take.
const LAST_PATIENCE: Duration = Duration::from_secs(4);

/// See the module.
#[derive(Debug)]
pub struct NameServer {
    poller: Rc<Poller>,
    datagram: Option<Watched>,
    listener: Option<Watched>,
    knowledge: Knowledge,
    passed: BTreeMap<u32, Passed>,
    streams: BTreeMap<u32, Stream>,
    next: u32,
    /// Until when no connection is accepted, for want of descriptors.
    pause: Option<Instant>,
}

/// What to do with a question.
enum Verdict {
    /// Send this.
    Answer(Vec<u8>),
    /// Ask these servers, of which there is at least one.
    PassOn(Question, Vec<SocketAddr>),
    /// Nothing.
    Ignore,
}

impl NameServer {
    /// One on these sockets.
    pub fn new(
        poller: &Rc<Poller>,
        resolver: &Resolver,
        datagram: Option<OwnedFd>,
        listener: Option<OwnedFd>,
    ) -> io::Result<Self> {
        let watch = |socket: Option<OwnedFd>, part| {
            socket
                .map(|socket| {
                    rustix::io::ioctl_fionbio(&socket, true)?;
                    let mut watched = Watched::new(poller, socket, Token::Network(part, 0));
                    watched.set(Interest::Read)?;
                    Ok::<_, io::Error>(watched)
                })
                .transpose()
        };
        Ok(Self {
            poller: Rc::clone(poller),
            datagram: watch(datagram, Part::Questions)?,
            listener: watch(listener, Part::QuestionListener)?,
            knowledge: Knowledge::new(resolver.names.clone()),
            passed: BTreeMap::new(),
            streams: BTreeMap::new(),
            next: 0,
            pause: None,
        })
    }

    /// Does what became possible.
    pub fn handle(&mut self, part: Part, id: u32) {
        match part {
            Part::Questions => self.take_questions(),
            Part::QuestionListener => self.accept(),
            Part::Answer => self.take_answer(id),
            _ => self.serve(id),
        }
    }

    /// When the first of all that waits has waited long enough.
    pub fn deadline(&self) -> Option<Instant> {
        let passed = self.passed.values().map(|passed| passed.deadline);
        passed.chain(self.streams.values().map(Stream::deadline)).chain(self.pause).min()
    }

    /// Gives up what has waited for too long.
    pub fn expire(&mut self, now: Instant) {
        let late = |passed: &Passed| passed.deadline <= now;
        let passed: Vec<u32> =
            self.passed.iter().filter(|(_, passed)| late(passed)).map(|(id, _)| *id).collect();
        for id in passed {
            if let Some(passed) = self.passed.get_mut(&id) {
                let progress = passed.ask_next(id, &self.poller);
                self.settle_passed(id, progress);
            }
        }
        let streams = self.streams.iter().filter(|(_, stream)| stream.deadline() <= now);
        for id in streams.map(|(id, _)| *id).collect::<Vec<_>>() {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let lives = stream.is_late(id, &self.poller, &mut self.knowledge);
            self.settle_stream(id, lives);
        }
        if self.pause.is_some_and(|end| end <= now) {
            self.listen_again();
        }
    }

    fn listen_again(&mut self) {
        self.pause = None;
        if let Some(listener) = &mut self.listener {
            listener.set(Interest::Read).ok();
        }
    }

    fn take_questions(&mut self) {
        let mut buffer = [0; MAX_QUESTION];
        for _ in 0..AT_ONCE {
            let Some(socket) = &self.datagram else { return };
            let taken = recvfrom(socket, &mut buffer[..], RecvFlags::TRUNC);
            let Ok((_, length, Some(from))) = taken else { return };
            let (Ok(from), Some(asked)) = (SocketAddr::try_from(from), buffer.get(..length)) else {
                continue;
            };
            match self.knowledge.judge(asked, false) {
                Verdict::Answer(answer) => self.reply(from, &answer),
                Verdict::PassOn(question, servers) => self.pass_on(from, asked, question, servers),
                Verdict::Ignore => {}
            }
        }
    }

    /// Sends an answer. One that finds no room is lost, as datagrams are: the asker asks again.
    fn reply(&self, to: SocketAddr, answer: &[u8]) {
        if let Some(socket) = &self.datagram {
            sendto(socket, answer, SendFlags::NOSIGNAL, &to).ok();
        }
    }

    fn pass_on(
        &mut self,
        from: SocketAddr,
        asked: &[u8],
        question: Question,
        servers: Vec<SocketAddr>,
    ) {
        if self.passed.len() >= MAX_PASSED {
            let refusal = message::refusal(asked, Some(&question), Code::Refused);
            return self.reply(from, &refusal);
        }
        let id = unused(&mut self.next, |id| {
            self.passed.contains_key(&id) || self.streams.contains_key(&id)
        });
        let mut passed = Passed::new(from, asked.to_vec(), question, servers);
        let progress = passed.ask_next(id, &self.poller);
        self.passed.insert(id, passed);
        self.settle_passed(id, progress);
    }

    fn take_answer(&mut self, id: u32) {
        if let Some(passed) = self.passed.get_mut(&id) {
            let progress = passed.take_answer(id, &self.poller);
            self.settle_passed(id, progress);
        }
    }

    fn settle_passed(&mut self, id: u32, progress: Progress) {
        let Progress::Over(answer) = progress else { return };
        let Some(passed) = self.passed.remove(&id) else { return };
        self.reply(passed.from, &answer);
        self.rest();
    }

    fn accept(&mut self) {
        let Some(listener) = &mut self.listener else { return };
        if self.streams.len() >= MAX_STREAMS {
            listener.set(Interest::None).ok();
            return;
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let Ok(socket) = accept_with(&*listener, flags) else {
            // Without a free descriptor this would come again at once.
            self.pause = Some(Instant::now() + PAUSE);
            listener.set(Interest::None).ok();
            return;
        };
        let id = unused(&mut self.next, |id| {
            self.passed.contains_key(&id) || self.streams.contains_key(&id)
        });
        if let Ok(stream) = Stream::new(id, &self.poller, socket) {
            self.streams.insert(id, stream);
        }
    }

    fn serve(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let lives = stream.go_on(id, &self.poller, &mut self.knowledge);
        self.settle_stream(id, lives);
    }

    fn settle_stream(&mut self, id: u32, lives: bool) {
        if lives {
            return;
        }
        self.streams.remove(&id);
        self.listen_again();
        self.rest();
    }

    /// Gives memory back once nothing waits.
    fn rest(&self) {
        if self.passed.is_empty() && self.streams.is_empty() {
            isopod_sys::process::trim_heap();
        }
    }
}

impl Knowledge {
    /// What to do with a question that came by a stream or by a datagram.
    fn judge(&mut self, asked: &[u8], is_stream: bool) -> Verdict {
        let question = match message::read(asked) {
            Incoming::Question(question) => question,
            Incoming::Bad(code) => return Verdict::Answer(message::refusal(asked, None, code)),
            Incoming::Noise => return Verdict::Ignore,
        };
        if question.is_of_other_edns() {
            return Verdict::Answer(message::refusal(asked, Some(&question), Code::NoError));
        }
        let known = (question.class == CLASS_IN).then(|| self.answer(&question)).flatten();
        if let Some(records) = known {
            let most = if is_stream { u16::MAX.into() } else { question.most() };
            return Verdict::Answer(message::answer(asked, &question, &records, most));
        }
        let servers = self.servers();
        if servers.is_empty() {
            return Verdict::Answer(message::refusal(asked, Some(&question), Code::ServFail));
        }
        Verdict::PassOn(question, servers)
    }
}

/// How long to wait for a server, where `left` others could be asked.
fn patience(left: usize) -> Duration {
    if left > 0 { PATIENCE } else { LAST_PATIENCE }
}

/// A number that nobody can guess.
fn random_id() -> io::Result<u16> {
    let mut bytes = [0; 2];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(u16::from_ne_bytes(bytes))
}

//! The standard streams of one process: from its pipes or terminal to its log and the sessions
//! that are attached, and from those to its standard input.
//!
//! Memory is bounded whatever anybody does: each direction holds at most one chunk that was read and
//! not yet written, and stops reading until it is.

mod input;
mod output;
mod pipes;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use isopod_monitor_protocol::message::{Size, Streams};

use crate::launcher::Stdio;
use crate::log::{Log, Stream};
use crate::poll::{Interest, Poller, Token, Watched};
use input::Input;
use output::{Output, Sink};

/// How many bytes are moved at a time.
const CHUNK: usize = 16 * 1024;

/// How long a terminal is listened to after its process has ended: its last output passes through a
/// kernel worker, and an end of file comes only when nobody else has it open.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The monitor's ends of a process's standard streams.
#[derive(Debug)]
pub struct Streamed {
    process: u32,
    is_terminal: bool,
    input: Option<Input>,
    outputs: [Option<Output>; 2],
    sessions: BTreeMap<u32, Session>,
    log: Option<Log>,
    /// The beginning of its output, and how much of that is wanted.
    kept: (Vec<u8>, usize),
    /// Since when the process has ended, if it has.
    ended: Option<Instant>,
    poller: Rc<Poller>,
}

/// What is attached to a process.
#[derive(Debug)]
struct Session {
    /// Whether the process waits for it, rather than it being dropped.
    is_lossless: bool,
    source: Option<Watched>,
    sinks: [Option<Sink>; 2],
}

/// When standard input is closed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputPolicy {
    /// When the last session that feeds it leaves.
    WhileFed,
    /// When the first one leaves.
    Once,
    /// Never.
    Open,
}

/// What to do with a process's streams.
#[derive(Debug)]
pub struct Plan {
    /// The process's number in this monitor.
    pub process: u32,
    /// Whether it has a terminal, which then arrives later.
    pub is_terminal: bool,
    /// Whether it has a standard input that isn't `/dev/null`.
    pub has_input: bool,
    /// Which outputs aren't `/dev/null`; of a terminal, both are.
    pub has_output: [bool; 2],
    /// See [`InputPolicy`].
    pub input_policy: InputPolicy,
    /// Where outputs go besides sessions.
    pub log: Option<Log>,
    /// How many bytes of its outputs to keep for [`Streamed::take_kept`]; one more is kept if there are more.
    pub keeps: usize,
    /// Who is to own the pipes or the terminal.
    pub uid: u32,
    /// The terminal's first size.
    pub size: Option<Size>,
}

impl Streamed {
    /// No streams at all: what a process has before its own are made.
    pub fn none(poller: &Rc<Poller>) -> Self {
        Self {
            process: 0,
            is_terminal: false,
            input: None,
            outputs: [None, None],
            sessions: BTreeMap::new(),
            log: None,
            kept: (Vec::new(), 0),
            ended: None,
            poller: Rc::clone(poller),
        }
    }

    /// Makes both ends of the streams: ours, and those for the process.
    pub fn new(poller: &Rc<Poller>, plan: Plan) -> io::Result<(Self, Stdio)> {
        let mut ours = Self {
            process: plan.process,
            is_terminal: plan.is_terminal,
            input: plan.has_input.then(|| Input::new(plan.input_policy)),
            outputs: [None, None],
            sessions: BTreeMap::new(),
            log: plan.log,
            kept: (Vec::new(), plan.keeps),
            ended: None,
            poller: Rc::clone(poller),
        };
        let mut streams = None;
        if !plan.is_terminal {
            let (stdin, feed) = pipes::input(plan.has_input, plan.uid)?;
            if let (Some(input), Some(feed)) = (&mut ours.input, feed) {
                input.open(Watched::new(poller, feed, Token::Input(plan.process)));
            }
            let (stdout, from_stdout) = pipes::output(plan.has_output[0], plan.uid)?;
            let (stderr, from_stderr) = pipes::output(plan.has_output[1], plan.uid)?;
            for (number, pipe) in [from_stdout, from_stderr].into_iter().enumerate() {
                ours.outputs[number] = pipe.map(|pipe| ours.output(number, pipe));
            }
            streams = Some([stdin, stdout, stderr]);
        }
        Ok((ours, Stdio { streams, size: plan.size, uid: plan.uid }))
    }

    fn output(&self, number: usize, fd: OwnedFd) -> Output {
        Output::new(Watched::new(&self.poller, fd, Token::Output(self.process, number as u8)))
    }

    /// Takes the terminal that the process was given.
    pub fn take_terminal(&mut self, master: OwnedFd) -> io::Result<()> {
        rustix::io::ioctl_fionbio(&master, true)?;
        let copy = master.try_clone()?;
        if let Some(input) = &mut self.input {
            input.open(Watched::new(&self.poller, copy, Token::Input(self.process)));
        }
        self.outputs[0] = Some(self.output(0, master));
        Ok(())
    }

    /// Begins to read output and sources.
    pub fn begin(&mut self) -> io::Result<()> {
        for output in self.outputs.iter_mut().flatten() {
            output.resume()?;
        }
        self.watch_sources()
    }

    /// Opens a session and returns the client's ends, in the order of the protocol; `None` where it
    /// asks for a standard input that the process doesn't have.
    pub fn attach(
        &mut self,
        session: u32,
        streams: Streams,
        is_lossless: bool,
    ) -> io::Result<Option<Vec<OwnedFd>>> {
        if streams.stdin && self.input.is_none() {
            return Ok(None);
        }
        let mut theirs = Vec::new();
        let mut new = Session { is_lossless, source: None, sinks: [None, None] };
        if streams.stdin {
            let (source, client) = pipes::to_monitor()?;
            new.source =
                Some(Watched::new(&self.poller, source, Token::Source(self.process, session)));
            theirs.push(client);
        }
        let wanted = [streams.stdout, streams.stderr && !self.is_terminal];
        for (number, wanted) in wanted.into_iter().enumerate() {
            if wanted {
                let (client, sink) = pipes::from_monitor()?;
                let token = Token::Sink(self.process, number as u8, session);
                // A stream that has ended or was never there reads as empty.
                let open = self.outputs[number].is_some() || (self.is_terminal && number == 0);
                new.sinks[number] =
                    open.then(|| Sink::new(Watched::new(&self.poller, sink, token)));
                theirs.push(client);
            }
        }
        if let (Some(input), Some(_)) = (&mut self.input, &new.source) {
            input.feeders += 1;
        }
        self.sessions.insert(session, new);
        Ok(Some(theirs))
    }

    /// Ends a session; the process goes on.
    pub fn detach(&mut self, session: u32) {
        let Some(gone) = self.sessions.remove(&session) else { return };
        if gone.source.is_some() {
            self.feeder_left();
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.resume_output(stream);
        }
    }

    /// Moves what an output has to say; returns the sessions that fell behind and were ended.
    pub fn pump_output(&mut self, number: u8) -> Vec<u32> {
        let stream = if number == 0 { Stream::Stdout } else { Stream::Stderr };
        let mut lagged = Vec::new();
        let mut chunk = [0; CHUNK];
        // Several chunks at a time, but not so many that others starve.
        for _ in 0..16 {
            if self.is_held_up(stream) {
                break;
            }
            let Some(output) = &mut self.outputs[stream as usize] else { break };
            match output.read(&mut chunk) {
                output::Read::Bytes(length) => self.deliver(stream, &chunk[..length], &mut lagged),
                output::Read::Nothing if !self.is_past_last_words() => break,
                output::Read::Nothing | output::Read::End => {
                    self.end_output(stream);
                    break;
                }
            }
        }
        lagged
    }

    fn deliver(&mut self, stream: Stream, bytes: &[u8], lagged: &mut Vec<u32>) {
        if let Some(log) = &mut self.log {
            log.write(stream, bytes);
        }
        let (kept, wanted) = &mut self.kept;
        if *wanted > 0 {
            let room = (*wanted + 1).saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        let mut late = Vec::new();
        for (id, session) in &mut self.sessions {
            let Some(sink) = &mut session.sinks[stream as usize] else { continue };
            match sink.write(bytes) {
                output::Write::Done => {}
                output::Write::Partly if session.is_lossless => {}
                output::Write::Partly => late.push(*id),
                output::Write::Broken => session.sinks[stream as usize] = None,
            }
        }
        for id in &late {
            self.detach(*id);
        }
        lagged.extend(late);
        if self.is_held_up(stream)
            && let Some(output) = &mut self.outputs[stream as usize]
        {
            output.pause();
        }
    }

    fn is_held_up(&self, stream: Stream) -> bool {
        let mut sinks = self.sessions.values().filter_map(|s| s.sinks[stream as usize].as_ref());
        sinks.any(Sink::is_full)
    }

    /// Writes on what a slow session's pipe didn't take.
    pub fn pump_sink(&mut self, number: u8, session: u32) {
        let number = usize::from(number.min(1));
        let Some(found) = self.sessions.get_mut(&session) else { return };
        let Some(sink) = &mut found.sinks[number] else { return };
        if let output::Write::Broken = sink.flush() {
            found.sinks[number] = None;
        }
        if self.outputs[number].is_none() {
            self.drop_flushed_sinks(number);
        }
        self.resume_output(if number == 0 { Stream::Stdout } else { Stream::Stderr });
    }

    fn resume_output(&mut self, stream: Stream) {
        if !self.is_held_up(stream)
            && let Some(output) = &mut self.outputs[stream as usize]
            && output.resume().is_err()
        {
            self.end_output(stream);
        }
    }

    fn end_output(&mut self, stream: Stream) {
        if self.outputs[stream as usize].take().is_some() {
            if let Some(log) = &mut self.log {
                log.end(stream);
            }
            self.drop_flushed_sinks(stream as usize);
        }
    }

    /// Sessions read end of file where the process has closed its output.
    fn drop_flushed_sinks(&mut self, number: usize) {
        for session in self.sessions.values_mut() {
            if session.sinks[number].as_ref().is_some_and(|sink| !sink.is_full()) {
                session.sinks[number] = None;
            }
        }
    }

    /// Moves what a session has for the process's standard input.
    pub fn pump_source(&mut self, session: u32) {
        let Some(found) = self.sessions.get_mut(&session) else { return };
        let (Some(source), Some(input)) = (&mut found.source, &mut self.input) else { return };
        match input.feed(source) {
            input::Feed::More => {}
            input::Feed::Full => self.watch_sources().unwrap_or(()),
            input::Feed::SourceEnded => {
                found.source = None;
                self.feeder_left();
            }
            input::Feed::Closed => self.drop_sources(),
        }
    }

    /// Writes on what the process's standard input didn't take.
    pub fn pump_input(&mut self) {
        let Some(input) = &mut self.input else { return };
        match input.flush() {
            input::Feed::Closed => self.drop_sources(),
            _ => self.watch_sources().unwrap_or(()),
        }
    }

    fn feeder_left(&mut self) {
        if let Some(input) = &mut self.input {
            input.feeder_left(self.is_terminal);
        }
    }

    fn drop_sources(&mut self) {
        for session in self.sessions.values_mut() {
            session.source = None;
        }
    }

    /// Sources are read only while standard input takes bytes.
    fn watch_sources(&mut self) -> io::Result<()> {
        let takes = self.input.as_ref().is_some_and(Input::takes);
        let interest = if takes { Interest::Read } else { Interest::None };
        for session in self.sessions.values_mut() {
            if let Some(source) = &mut session.source {
                source.set(interest)?;
            }
        }
        Ok(())
    }

    /// As [`Self::watch_sources`] where a failure only means that a session can't feed.
    pub fn refresh_sources(&mut self) {
        self.watch_sources().unwrap_or(());
    }

    /// Sets the size of the terminal; `false` where there is none.
    pub fn resize(&self, size: Size) -> io::Result<bool> {
        match (&self.outputs[0], self.is_terminal) {
            (Some(output), true) => crate::launcher::resize(output, size).map(|()| true),
            _ => Ok(false),
        }
    }

    /// The process has ended: what is left to read is read, what nobody can write any more ends.
    /// Returns sessions that fell behind.
    pub fn process_ended(&mut self) -> Vec<u32> {
        self.ended.get_or_insert_with(Instant::now);
        self.input = None;
        self.drop_sources();
        self.settle()
    }

    /// As far as it can be done now, brings the streams of an ended process to their end.
    pub fn settle(&mut self) -> Vec<u32> {
        let mut lagged = Vec::new();
        for number in 0..2u8 {
            while self.outputs[usize::from(number)].is_some() {
                let stream = if number == 0 { Stream::Stdout } else { Stream::Stderr };
                let before = self.moved(stream);
                lagged.extend(self.pump_output(number));
                if self.moved(stream) == before {
                    break;
                }
            }
        }
        lagged
    }

    fn moved(&self, stream: Stream) -> Option<u64> {
        self.outputs[stream as usize].as_ref().map(|output| output.moved)
    }

    /// Whether an output that has nothing to say has said all. Whoever else may hold a pipe, what
    /// the process itself wrote was in there when it ended.
    fn is_past_last_words(&self) -> bool {
        let patience = if self.is_terminal { LAST_WORDS } else { Duration::ZERO };
        self.ended.is_some_and(|ended| ended.elapsed() >= patience)
    }

    /// When to call [`Self::settle`] again though nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        let ended = self.ended.filter(|_| self.outputs.iter().any(Option::is_some))?;
        let held = [Stream::Stdout, Stream::Stderr]
            .into_iter()
            .all(|stream| self.outputs[stream as usize].is_none() || self.is_held_up(stream));
        (!held).then(|| ended + LAST_WORDS)
    }

    /// Whether all output of the ended process has been handed over.
    pub fn is_settled(&self) -> bool {
        let sinks = self.sessions.values().flat_map(|session| session.sinks.iter().flatten());
        self.ended.is_some()
            && self.outputs.iter().all(Option::is_none)
            && sinks.into_iter().all(|sink| !sink.is_full())
    }

    /// The beginning of its output, as far as the plan asked for it.
    pub fn take_kept(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept.0)
    }

    /// The log, if there is one.
    pub fn log(&mut self) -> Option<&mut Log> {
        self.log.as_mut()
    }
}

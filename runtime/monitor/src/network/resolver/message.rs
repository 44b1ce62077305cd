//! DNS messages (RFC 1035, EDNS of RFC 6891), as far as a name server needs them that knows
//! addresses and names, and passes everything else on as it came.
//!
//! All of it comes from inside a container, or from a server elsewhere: nothing here trusts a byte.

use std::net::IpAddr;

/// The longest question that is read, in bytes.
pub const MAX_QUESTION: usize = 4096;

/// Bytes of a message's header.
pub const HEADER: usize = 12;

/// The most bytes of an answer by datagram, where the question doesn't say otherwise.
const SMALL: usize = 512;

/// The types of record that matter here.
pub mod kind {
    /// An IPv4 address.
    pub const A: u16 = 1;
    /// A name for an address.
    pub const PTR: u16 = 12;
    /// An IPv6 address.
    pub const AAAA: u16 = 28;
    /// EDNS.
    pub const OPT: u16 = 41;
}

/// The Internet's names.
pub const CLASS_IN: u16 = 1;

/// How long an answer of ours may be kept, in seconds: as docker's.
const TTL: u32 = 600;

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Answered, perhaps by nothing.
    NoError = 0,
    /// It can't be read.
    FormErr = 1,
    /// Nobody answers.
    ServFail = 2,
    /// It is no question.
    NotImp = 4,
    /// There are too many.
    Refused = 5,
}

/// A question that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name, its labels joined by dots, in lower case.
    pub name: Vec<u8>,
    /// The type of record.
    pub kind: u16,
    /// The class.
    pub class: u16,
    /// Where the question ends, in bytes from the message's begin.
    end: usize,
    /// The largest datagram that the asker takes, and its version of EDNS, where it speaks that.
    edns: Option<(usize, u8)>,
}

/// What a message from inside is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A question.
    Question(Question),
    /// To be answered by this alone.
    Bad(Code),
    /// To be ignored: too short to be answered, or an answer itself.
    Noise,
}

/// Reads a message from inside.
pub fn read(message: &[u8]) -> Incoming {
    const RESPONSE: u8 = 0x80;
    const OPCODE: u8 = 0x78;
    let Some(header) = message.first_chunk::<HEADER>() else { return Incoming::Noise };
    if header[2] & RESPONSE != 0 {
        return Incoming::Noise;
    }
    if header[2] & OPCODE != 0 {
        return Incoming::Bad(Code::NotImp);
    }
    if count(header, 4) != 1 {
        return Incoming::Bad(Code::FormErr);
    }
    question(message).map_or(Incoming::Bad(Code::FormErr), Incoming::Question)
}

fn count(header: &[u8; HEADER], at: usize) -> u16 {
    u16::from_be_bytes([header[at], header[at + 1]])
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?))
}

fn question(message: &[u8]) -> Option<Question> {
    let (name, at) = name(message)?;
    let (kind, class) = (number(message, at)?, number(message, at + 2)?);
    let end = at + 4;
    let header = message.first_chunk::<HEADER>()?;
    let records = [6, 8, 10].map(|at| usize::from(count(header, at))).iter().sum();
    let edns = edns(message, end, records)?;
    Some(Question { name, kind, class, end, edns })
}

/// The name of the question and where it ends. There is nothing before it to which it could refer.
fn name(message: &[u8]) -> Option<(Vec<u8>, usize)> {
    const MAX_NAME: usize = 255;
    const MAX_LABEL: u8 = 63;
    let mut name = Vec::new();
    let mut at = HEADER;
    loop {
        let length = *message.get(at)?;
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        if length > MAX_LABEL || at + usize::from(length) + 1 - HEADER > MAX_NAME {
            return None;
        }
        let label = message.get(at..at + usize::from(length))?;
        if !name.is_empty() {
            name.push(b'.');
        }
        // A dot within a label would make it look like two: such a name is nobody's.
        name.extend(label.iter().map(|byte| if *byte == b'.' { 0 } else { *byte }));
        name.make_ascii_lowercase();
        at += usize::from(length);
    }
}

/// What the records after the question say of EDNS; `None` where they can't be read.
fn edns(message: &[u8], mut at: usize, records: usize) -> Option<Option<(usize, u8)>> {
    let mut found = None;
    for _ in 0..records {
        let is_root = *message.get(at)? == 0;
        at = skip_name(message, at)?;
        let (kind, size) = (number(message, at)?, number(message, at + 2)?);
        let version = *message.get(at + 5)?;
        let length = usize::from(number(message, at + 8)?);
        at += 10 + length;
        if at > message.len() {
            return None;
        }
        if kind == kind::OPT {
            if !is_root || found.is_some() {
                return None;
            }
            found = Some((usize::from(size), version));
        }
    }
    Some(found)
}

fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            // The rest of the name is elsewhere.
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

impl Question {
    /// The address whose name is asked for.
    pub fn address(&self) -> Option<IpAddr> {
        let name = std::str::from_utf8(&self.name).ok()?;
        if let Some(octets) = name.strip_suffix(".in-addr.arpa") {
            let mut address = [0; 4];
            let mut labels = octets.rsplit('.');
            for octet in &mut address {
                *octet = labels.next()?.parse().ok()?;
            }
            return labels.next().is_none().then(|| address.into());
        }
        let nibbles = name.strip_suffix(".ip6.arpa")?;
        let mut address: u128 = 0;
        let mut labels = nibbles.rsplit('.');
        for _ in 0..32 {
            let label = labels.next().filter(|label| label.len() == 1)?;
            address = address << 4 | u128::from_str_radix(label, 16).ok()?;
        }
        labels.next().is_none().then(|| IpAddr::V6(address.into()))
    }

    /// The most bytes that an answer by datagram may have.
    pub fn most(&self) -> usize {
        self.edns.map_or(SMALL, |(size, _)| size.clamp(SMALL, MAX_QUESTION))
    }

    /// Whether the asker speaks a version of EDNS that nobody does.
    pub fn is_of_other_edns(&self) -> bool {
        self.edns.is_some_and(|(_, version)| version != 0)
    }

    /// Whether `message` answers the same question, under the number `id`. A server that can't read
    /// a question may leave it out of its answer.
    pub fn is_answered_by(&self, asked: &[u8], message: &[u8], id: u16) -> bool {
        let Some(header) = message.first_chunk::<HEADER>() else { return false };
        if header[2] & 0x80 == 0 || count(header, 0) != id {
            return false;
        }
        if count(header, 4) == 0 {
            return header[3] & 0xf != 0;
        }
        let (asked, echoed) = (asked.get(HEADER..self.end), message.get(HEADER..self.end));
        asked.zip(echoed).is_some_and(|(asked, echoed)| asked.eq_ignore_ascii_case(echoed))
    }
}

/// Whether a server says that it can't or won't answer: another one may.
pub fn is_failure(answer: &[u8]) -> bool {
    let code = answer.get(3).map_or(0, |byte| byte & 0xf);
    code == Code::ServFail as u8 || code == Code::Refused as u8
}

/// Gives a message another number, and returns the one that it had; 0 for what is too short.
pub fn renumber(message: &mut [u8], id: u16) -> u16 {
    let Some(place) = message.first_chunk_mut::<2>() else { return 0 };
    u16::from_be_bytes(std::mem::replace(place, id.to_be_bytes()))
}

/// A record of an answer, about the question's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An address.
    Address(IpAddr),
    /// A name.
    Name(String),
}

/// The answer to `question`, which came as `asked`. Records beyond `most` bytes are left out, which the
/// answer says, so that it is asked for again by a stream.
pub fn answer(asked: &[u8], question: &Question, records: &[Record], most: usize) -> Vec<u8> {
    let mut reply = head(asked, Code::NoError);
    reply.extend(asked.get(HEADER..question.end).unwrap_or_default());
    reply[5] = 1;
    let reserve = if question.edns.is_some() { OPT_LENGTH } else { 0 };
    let mut answers: u16 = 0;
    for record in records {
        let before = reply.len();
        write(&mut reply, record);
        if reply.len() + reserve > most {
            reply.truncate(before);
            mark_truncated(&mut reply);
            break;
        }
        answers += 1;
    }
    reply[6..8].copy_from_slice(&answers.to_be_bytes());
    add_edns(&mut reply, question);
    reply
}

/// An answer without records, to what may be no readable question.
pub fn refusal(asked: &[u8], question: Option<&Question>, code: Code) -> Vec<u8> {
    let mut reply = head(asked, code);
    if let Some(question) = question {
        reply.extend(asked.get(HEADER..question.end).unwrap_or_default());
        reply[5] = 1;
        add_edns(&mut reply, question);
    }
    reply
}

/// In the place of an answer that is larger than a datagram of ours: ask again by a stream.
pub fn too_large(asked: &[u8], question: &Question) -> Vec<u8> {
    let mut reply = refusal(asked, Some(question), Code::NoError);
    mark_truncated(&mut reply);
    reply
}

fn mark_truncated(reply: &mut [u8]) {
    reply[2] |= 0x02;
}

fn head(asked: &[u8], code: Code) -> Vec<u8> {
    const RESPONSE: u8 = 0x80;
    const KEPT: u8 = 0x79;
    const RECURSION_AVAILABLE: u8 = 0x80;
    let mut reply = vec![0; HEADER];
    if let Some(header) = asked.first_chunk::<HEADER>() {
        reply[..2].copy_from_slice(&header[..2]);
        reply[2] = RESPONSE | header[2] & KEPT;
    }
    reply[3] = RECURSION_AVAILABLE | code as u8;
    reply
}

fn write(reply: &mut Vec<u8>, record: &Record) {
    /// The question's name, by its place.
    const SAME_NAME: [u8; 2] = [0xc0, HEADER as u8];
    let mut data = Vec::new();
    let kind = match record {
        Record::Address(IpAddr::V4(address)) => {
            data.extend(address.octets());
            kind::A
        }
        Record::Address(IpAddr::V6(address)) => {
            data.extend(address.octets());
            kind::AAAA
        }
        Record::Name(name) => {
            for label in name.split('.').filter(|label| (1..=63).contains(&label.len())) {
                data.push(label.len() as u8);
                data.extend(label.as_bytes());
            }
            data.push(0);
            kind::PTR
        }
    };
    reply.extend(SAME_NAME);
    reply.extend(kind.to_be_bytes());
    reply.extend(CLASS_IN.to_be_bytes());
    reply.extend(TTL.to_be_bytes());
    reply.extend((data.len() as u16).to_be_bytes());
    reply.extend(data);
}

const OPT_LENGTH: usize = 11;

/// Says that we speak EDNS too, to who does; and if need be that it is not theirs.
fn add_edns(reply: &mut Vec<u8>, question: &Question) {
    const BAD_VERSION: u8 = 1;
    if question.edns.is_none() {
        return;
    }
    let extended = if question.is_of_other_edns() { BAD_VERSION } else { 0 };
    reply.push(0);
    reply.extend(kind::OPT.to_be_bytes());
    reply.extend((MAX_QUESTION as u16).to_be_bytes());
    reply.extend([extended, 0, 0, 0, 0, 0]);
    reply[11] = 1;
}

// By its place, for who compiles this file into a fuzzer.
#[cfg(test)]
#[path = "message/tests.rs"]
mod tests;

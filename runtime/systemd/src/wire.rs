//! Messages of D-Bus (dbus.freedesktop.org, "D-Bus Specification", version 1 of the protocol): as much as is
//! said to systemd, and what it answers. Little-endian, as it talks on all machines that this is built for.

use crate::{Error, Result};

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `b`
    Bool(bool),
    /// `i`
    I32(i32),
    /// `x`
    I64(i64),
    /// `u`
    U32(u32),
    /// `t`
    U64(u64),
    /// `s`
    Text(String),
    /// `as`
    Texts(Vec<String>),
    /// `au`
    Numbers(Vec<u32>),
    /// `ay`
    Bytes(Vec<u8>),
    /// `a(ss)`
    Pairs(Vec<(String, String)>),
    /// `a(st)`
    Rates(Vec<(String, u64)>),
}

impl Value {
    fn signature(&self) -> &'static str {
        match self {
            Self::Bool(_) => "b",
            Self::I32(_) => "i",
            Self::I64(_) => "x",
            Self::U32(_) => "u",
            Self::U64(_) => "t",
            Self::Text(_) => "s",
            Self::Texts(_) => "as",
            Self::Numbers(_) => "au",
            Self::Bytes(_) => "ay",
            Self::Pairs(_) => "a(ss)",
            Self::Rates(_) => "a(st)",
        }
    }
}

/// Bytes being written.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.align(4);
        self.bytes.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.align(8);
        self.bytes.extend(value.to_le_bytes());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.u32(value.into());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.bytes.extend(text.as_bytes());
        self.u8(0);
    }

    fn signature(&mut self, text: &str) {
        self.u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.bytes.extend(text.as_bytes());
        self.u8(0);
    }

    /// The length doesn't count what aligns the first element.
    pub(crate) fn array(&mut self, alignment: usize, elements: impl FnOnce(&mut Self)) {
        self.u32(0);
        let length = self.bytes.len() - 4;
        self.align(alignment);
        let start = self.bytes.len();
        elements(self);
        let bytes = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes[length..length + 4].copy_from_slice(&bytes.to_le_bytes());
    }

    fn variant(&mut self, value: &Value) {
        self.signature(value.signature());
        match value {
            Value::Bool(value) => self.bool(*value),
            Value::I32(value) => self.u32(u32::from_ne_bytes(value.to_ne_bytes())),
            Value::I64(value) => self.u64(u64::from_ne_bytes(value.to_ne_bytes())),
            Value::U32(value) => self.u32(*value),
            Value::U64(value) => self.u64(*value),
            Value::Text(text) => self.text(text),
            Value::Texts(all) => self.array(4, |w| all.iter().for_each(|text| w.text(text))),
            Value::Numbers(all) => self.array(4, |w| all.iter().for_each(|one| w.u32(*one))),
            Value::Bytes(all) => self.array(1, |w| w.bytes.extend(all)),
            Value::Pairs(all) => self.array(8, |w| {
                for (first, second) in all {
                    w.align(8);
                    w.text(first);
                    w.text(second);
                }
            }),
            Value::Rates(all) => self.array(8, |w| {
                for (name, rate) in all {
                    w.align(8);
                    w.text(name);
                    w.u64(*rate);
                }
            }),
        }
    }

    /// `a(sv)`
    pub(crate) fn properties(&mut self, all: &[(String, Value)]) {
        self.array(8, |w| {
            for (name, value) in all {
                w.align(8);
                w.text(name);
                w.variant(value);
            }
        });
    }
}

/// A method call of systemd's manager, or of the bus itself.
#[derive(Debug)]
pub(crate) struct Call {
    pub destination: &'static str,
    pub path: &'static str,
    pub interface: &'static str,
    pub member: &'static str,
    /// Of `body`; empty without one.
    pub signature: &'static str,
    pub body: Writer,
}

impl Call {
    pub(crate) fn to_bytes(&self, serial: u32) -> Vec<u8> {
        const CALL: u8 = 1;
        const PROTOCOL: u8 = 1;
        let mut w = Writer::default();
        w.u8(b'l');
        w.u8(CALL);
        w.u8(0);
        w.u8(PROTOCOL);
        w.u32(u32::try_from(self.body.bytes.len()).unwrap_or(u32::MAX));
        w.u32(serial);
        w.array(8, |w| {
            for (code, kind, text) in [
                (1, "o", self.path),
                (2, "s", self.interface),
                (3, "s", self.member),
                (6, "s", self.destination),
            ] {
                w.align(8);
                w.u8(code);
                w.signature(kind);
                w.text(text);
            }
            if !self.signature.is_empty() {
                w.align(8);
                w.u8(8);
                w.signature("g");
                w.signature(self.signature);
            }
        });
        w.align(8);
        w.bytes.extend(&self.body.bytes);
        w.bytes
    }
}

/// Bytes being read.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(Error::Malformed("it ends too early"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn align(&mut self, to: usize) -> Result<()> {
        self.take(self.at.next_multiple_of(to) - self.at).map(drop)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.align(4)?;
        let bytes = self.take(4)?.try_into().map_err(|_| Error::Malformed("a number is short"))?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn characters(&mut self, length: usize) -> Result<String> {
        let text = self.take(length)?;
        self.take(1)?;
        String::from_utf8(text.to_vec()).map_err(|_| Error::Malformed("a text is none"))
    }

    pub(crate) fn text(&mut self) -> Result<String> {
        let length = self.u32()?;
        self.characters(length as usize)
    }

    fn signature(&mut self) -> Result<String> {
        let length = self.u8()?;
        self.characters(length.into())
    }
}

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Return,
    Error,
    Signal,
    /// A call, or what a later version has.
    Other,
}

/// A message that came.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub kind: Kind,
    pub reply_to: u32,
    pub error: String,
    pub member: String,
    pub signature: String,
    pub body: Vec<u8>,
}

/// Bytes before the length of the whole is known.
pub(crate) const FIXED: usize = 16;
/// Longer than any answer to what is asked here.
const MAX: usize = 1 << 20;

/// How many bytes follow the first ones.
pub(crate) fn rest(fixed: &[u8; FIXED]) -> Result<usize> {
    if fixed[0] != b'l' {
        return Err(Error::Malformed("its byte order is another one"));
    }
    let mut r = Reader { bytes: fixed, at: 4 };
    let (body, _serial, fields) = (r.u32()? as usize, r.u32()?, r.u32()? as usize);
    let rest = fields.next_multiple_of(8).saturating_add(body);
    if rest > MAX { Err(Error::Malformed("it is too long")) } else { Ok(rest) }
}

impl Incoming {
    /// Of a whole message.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let mut r = Reader { bytes, at: 1 };
        let kind = match r.u8()? {
            2 => Kind::Return,
            3 => Kind::Error,
            4 => Kind::Signal,
            _ => Kind::Other,
        };
        r.at = 4;
        let body_length = r.u32()? as usize;
        let _serial = r.u32()?;
        let end = r.u32()? as usize + FIXED;
        let empty = String::new;
        let mut message = Self {
            kind,
            reply_to: 0,
            error: empty(),
            member: empty(),
            signature: empty(),
            body: Vec::new(),
        };
        while r.at < end {
            r.align(8)?;
            let code = r.u8()?;
            match (code, r.signature()?.as_str()) {
                (5, "u") => message.reply_to = r.u32()?,
                (4, "s") => message.error = r.text()?,
                (3, "s") => message.member = r.text()?,
                (8, "g") => message.signature = r.signature()?,
                (_, "s" | "o") => drop(r.text()?),
                (_, "g") => drop(r.signature()?),
                (_, "u") => drop(r.u32()?),
                _ => return Err(Error::Malformed("a field of its header is unknown")),
            }
        }
        r.align(8)?;
        message.body = r.take(body_length)?.to_vec();
        Ok(message)
    }
}

#[cfg(test)]
mod tests;

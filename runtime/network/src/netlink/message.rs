//! Messages and their attributes, written and read (`linux/netlink.h`): a header of 16 bytes, then the
//! family's own header, then attributes, each with length and type, padded to four bytes.

/// Bytes of a message's header.
pub const HEADER: usize = 16;
/// Bytes of an attribute's header.
const ATTRIBUTE: usize = 4;
/// `NLA_F_NESTED`: the attribute holds attributes.
const NESTED: u16 = 0x8000;
/// `NLA_TYPE_MASK`: the type without its flags.
const TYPE: u16 = 0x3fff;

/// A message to the kernel.
#[derive(Debug, Clone)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A message of type `kind` with `NLM_F_*` flags and the family's header.
    #[must_use]
    pub fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend([0; 4]);
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        // The sequence number, given when it is sent; no port: the kernel fills it in.
        bytes.extend([0; 8]);
        let mut message = Self { bytes };
        message.push(header);
        message
    }

    /// Adds an attribute of plain bytes.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.bytes.extend(length(ATTRIBUTE + value.len()).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.push(value);
        self
    }

    /// Adds a text with its end.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut ended = Vec::with_capacity(value.len() + 1);
        ended.extend(value.as_bytes());
        ended.push(0);
        self.bytes(kind, &ended)
    }

    /// Adds a number in the machine's order, as rtnetlink wants them.
    pub fn native32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Adds a number in the network's order, as nfnetlink wants them.
    pub fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds an attribute that holds what `fill` adds.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes(kind | NESTED, &[]);
        fill(self);
        let size = length(self.bytes.len() - start);
        self.bytes[start..start + 2].copy_from_slice(&size.to_ne_bytes());
        self
    }

    /// Adds bytes that are no attribute: the family's header, or one that an attribute begins with.
    pub fn push(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self.bytes.resize(aligned(self.bytes.len()), 0);
        self
    }

    /// The `NLM_F_*` flags.
    pub fn flags(&self) -> u16 {
        u16::from_ne_bytes([self.bytes[6], self.bytes[7]])
    }

    /// The message as it is sent, with its sequence number.
    pub fn finish(&self, sequence: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let size = u32::try_from(bytes.len()).expect("messages are short");
        bytes[0..4].copy_from_slice(&size.to_ne_bytes());
        bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        bytes
    }
}

/// The attributes of `bytes` by type; what is cut short at the end is left out.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let size = usize::from(u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]));
        let kind = u16::from_ne_bytes([*bytes.get(2)?, *bytes.get(3)?]) & TYPE;
        let value = bytes.get(ATTRIBUTE..size)?;
        bytes = bytes.get(aligned(size)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The attribute of a type.
pub fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// A text without its end.
pub fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// A number in the machine's order.
pub fn native32(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(..4)?.try_into().ok()?))
}

/// A number in the network's order.
pub fn be16(value: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(value.get(..2)?.try_into().ok()?))
}

/// A number in the network's order.
pub fn be32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.get(..4)?.try_into().ok()?))
}

/// Rounded up to what attributes are aligned to.
pub const fn aligned(size: usize) -> usize {
    (size + 3) & !3
}

fn length(size: usize) -> u16 {
    u16::try_from(size).expect("who fills lists cuts them to 64 KiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes after the layout of `linux/netlink.h`, counted by hand.
    #[test]
    fn attributes_are_padded_and_nested_as_the_kernel_lays_them_out() {
        let mut message = Message::new(16, 5, &[1, 2, 3, 4]);
        message.text(3, "eth0").nest(18, |info| {
            info.bytes(1, &[7]);
        });
        let bytes = message.finish(9);
        let mut expected = Vec::new();
        expected.extend(44_u32.to_ne_bytes());
        expected.extend(16_u16.to_ne_bytes());
        expected.extend(5_u16.to_ne_bytes());
        expected.extend(9_u32.to_ne_bytes());
        expected.extend([0, 0, 0, 0, 1, 2, 3, 4]);
        expected.extend(9_u16.to_ne_bytes());
        expected.extend(3_u16.to_ne_bytes());
        expected.extend(*b"eth0\0\0\0\0");
        expected.extend(12_u16.to_ne_bytes());
        expected.extend((18_u16 | 0x8000).to_ne_bytes());
        expected.extend(5_u16.to_ne_bytes());
        expected.extend(1_u16.to_ne_bytes());
        expected.extend([7, 0, 0, 0]);
        assert_eq!(bytes, expected);

        let read: Vec<_> = attributes(&bytes[20..]).collect();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].0, text(read[0].1).as_str()), (3, "eth0"));
        assert_eq!((read[1].0, find(read[1].1, 1)), (18, Some(&[7][..])));
    }

    #[test]
    fn attributes_that_lie_about_their_length_end_the_reading() {
        assert_eq!(attributes(&[200, 0, 1, 0, 5]).count(), 0);
        assert_eq!(attributes(&[0, 0, 1, 0]).count(), 0);
        assert_eq!(attributes(&[4]).count(), 0);
    }
}

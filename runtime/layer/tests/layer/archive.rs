//! Archives made by hand, header by header, so that they can say anything.

/// A tar archive under construction.
#[derive(Clone, Default)]
pub struct Tar(Vec<u8>);

/// One header before its checksum is set.
#[derive(Clone)]
pub struct Header(pub [u8; 512]);

impl Header {
    pub fn new(flag: u8, name: &[u8]) -> Self {
        let mut header = Self([0; 512]);
        assert!(name.len() <= 100, "long names need an extension");
        header.0[..name.len()].copy_from_slice(name);
        header.0[156] = flag;
        header.0[257..265].copy_from_slice(b"ustar\x0000");
        header.mode(0o644).owner(0, 0).size(0).mtime(1_000_000_000).device(0, 0)
    }

    pub fn octal(mut self, start: usize, length: usize, value: u64) -> Self {
        let text = format!("{value:0width$o}\0", width = length - 1);
        self.0[start..start + length].copy_from_slice(text.as_bytes());
        self
    }

    pub fn bytes(mut self, start: usize, bytes: &[u8]) -> Self {
        self.0[start..start + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub fn mode(self, mode: u64) -> Self {
        self.octal(100, 8, mode)
    }

    pub fn owner(self, uid: u64, gid: u64) -> Self {
        self.octal(108, 8, uid).octal(116, 8, gid)
    }

    pub fn size(self, size: u64) -> Self {
        self.octal(124, 12, size)
    }

    pub fn mtime(self, mtime: u64) -> Self {
        self.octal(136, 12, mtime)
    }

    pub fn link(self, target: &[u8]) -> Self {
        assert!(target.len() <= 100, "long targets need an extension");
        self.bytes(157, target)
    }

    pub fn device(self, major: u64, minor: u64) -> Self {
        self.octal(329, 8, major).octal(337, 8, minor)
    }

    pub fn gnu(self) -> Self {
        self.bytes(257, b"ustar  \0")
    }

    pub fn with_checksum(mut self) -> Self {
        self.0[148..156].fill(b' ');
        let sum: u64 = self.0.iter().map(|byte| u64::from(*byte)).sum();
        self.octal(148, 7, sum)
    }
}

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    /// A header as it is, checksum included, and content padded to whole blocks.
    pub fn raw(mut self, header: Header, content: &[u8]) -> Self {
        self.0.extend_from_slice(&header.with_checksum().0);
        self.bytes(content)
    }

    /// Bytes padded to whole blocks.
    pub fn bytes(mut self, content: &[u8]) -> Self {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// A header, with GNU extensions before it if name or target are long.
    pub fn entry(self, flag: u8, name: &str, link: &str, content: &[u8]) -> Self {
        self.entry_with(flag, name, link, content, |header| header)
    }

    pub fn entry_with(
        mut self,
        flag: u8,
        name: &str,
        link: &str,
        content: &[u8],
        change: impl FnOnce(Header) -> Header,
    ) -> Self {
        for (flag, text) in [(b'L', name), (b'K', link)] {
            if text.len() > 100 {
                let text = [text.as_bytes(), b"\0"].concat();
                let header = Header::new(flag, b"././@LongLink").gnu().size(text.len() as u64);
                self = self.raw(header, &text);
            }
        }
        let short = |text: &'_ str| text.as_bytes()[..text.len().min(100)].to_vec();
        let header = Header::new(flag, &short(name)).link(&short(link)).size(content.len() as u64);
        self.raw(change(header), content)
    }

    pub fn folder(self, name: &str) -> Self {
        self.entry_with(b'5', name, "", b"", |header| header.mode(0o755))
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        self.entry(b'0', name, "", content.as_bytes())
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(b'2', name, target, b"")
    }

    pub fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(b'1', name, target, b"")
    }

    /// An extended header for the next entry.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        self.extended(b'x', records)
    }

    pub fn extended(self, flag: u8, records: &[(&str, &[u8])]) -> Self {
        let text: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
        self.raw(Header::new(flag, b"PaxHeaders/x").size(text.len() as u64), &text)
    }

    /// The archive with its end mark.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }

    /// The archive without an end mark.
    pub fn unfinished(self) -> Vec<u8> {
        self.0
    }
}

/// A pax record, whose length counts its own digits.
pub fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let mut length = rest.len() + 1;
    while length != rest.len() + length.to_string().len() {
        length += 1;
    }
    [length.to_string().as_bytes(), &rest].concat()
}

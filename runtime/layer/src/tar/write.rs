//! A tar writer: ustar headers, and pax records for whatever does not fit them. What it writes the
//! reader beside it reads back without loss.
//!
//! Formats: POSIX.1-2017 `pax`; attributes as `SCHILY.xattr.*`, as GNU tar, star and docker write them.

use std::io::{self, Read, Write};

use super::header::BLOCK;
use super::{Entry, Kind};

/// Writes entries one after the other.
#[derive(Debug)]
pub struct Writer<W: Write> {
    writer: W,
}

impl<W: Write> Writer<W> {
    /// Writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }

    /// Writes an entry without content.
    ///
    /// # Errors
    /// The writer failed.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.headers(entry, 0)
    }

    /// Writes a file: `entry.length` bytes of `content`. One that ends early (somebody made the file
    /// shorter meanwhile) is filled up with zeros, since its length has been written already.
    ///
    /// # Errors
    /// The content can't be read, or the writer failed.
    pub fn file(&mut self, entry: &Entry, content: impl Read) -> io::Result<()> {
        self.headers(entry, entry.length)?;
        let written = io::copy(&mut content.take(entry.length), &mut self.writer)?;
        let missing = entry.length - written;
        io::copy(&mut io::repeat(0).take(missing), &mut self.writer)?;
        self.pad(entry.length)
    }

    /// Writes the end of the archive and hands the writer back.
    ///
    /// # Errors
    /// The writer failed.
    pub fn finish(mut self) -> io::Result<W> {
        self.writer.write_all(&[0; 2 * BLOCK])?;
        self.writer.flush()?;
        Ok(self.writer)
    }

    fn pad(&mut self, length: u64) -> io::Result<()> {
        let block = BLOCK as u64;
        io::copy(&mut io::repeat(0).take((block - length % block) % block), &mut self.writer)
            .map(drop)
    }

    fn headers(&mut self, entry: &Entry, length: u64) -> io::Result<()> {
        let mut block = Block([0; BLOCK]);
        let mut records = Vec::new();
        if !block.text(0..100, &entry.path) {
            record(&mut records, b"path", &entry.path);
        }
        if !block.text(157..257, &entry.link) {
            record(&mut records, b"linkpath", &entry.link);
        }
        block.number(100..108, u64::from(entry.mode & 0o7777));
        for (field, key, value) in [
            (108..116, "uid", u64::from(entry.uid)),
            (116..124, "gid", u64::from(entry.gid)),
            (124..136, "size", length),
        ] {
            if !block.number(field, value) {
                record(&mut records, key.as_bytes(), value.to_string().as_bytes());
            }
        }
        let whole = u64::try_from(entry.mtime.seconds).ok();
        let fits = whole.is_some_and(|seconds| block.number(136..148, seconds));
        if !fits || entry.mtime.nanoseconds != 0 {
            record(&mut records, b"mtime", time(entry).as_bytes());
        }
        for xattr in &entry.xattrs {
            let key = [b"SCHILY.xattr.", &xattr.name[..]].concat();
            record(&mut records, &key, &xattr.value);
        }
        if !records.is_empty() {
            self.extended(&records)?;
        }
        block.0[156] = flag(entry.kind);
        block.number(329..337, u64::from(entry.device.0));
        block.number(337..345, u64::from(entry.device.1));
        self.writer.write_all(&block.sealed())
    }

    fn extended(&mut self, records: &[u8]) -> io::Result<()> {
        let mut block = Block([0; BLOCK]);
        block.text(0..100, b"PaxHeaders/entry");
        block.number(100..108, 0o644);
        block.number(124..136, records.len() as u64);
        block.number(136..148, 0);
        block.0[156] = b'x';
        self.writer.write_all(&block.sealed())?;
        self.writer.write_all(records)?;
        self.pad(records.len() as u64)
    }
}

struct Block([u8; BLOCK]);

impl Block {
    /// Whether the text fits; what fits is all that was written.
    fn text(&mut self, field: std::ops::Range<usize>, text: &[u8]) -> bool {
        let field = &mut self.0[field];
        let fits = text.len() <= field.len();
        let length = text.len().min(field.len());
        field[..length].copy_from_slice(&text[..length]);
        fits
    }

    /// Octal digits and a NUL; whether the number fits. One that doesn't is left 0.
    fn number(&mut self, field: std::ops::Range<usize>, value: u64) -> bool {
        let width = field.len() - 1;
        let fits = value < 1 << (3 * width);
        let digits = format!("{:0width$o}\0", if fits { value } else { 0 });
        self.0[field].copy_from_slice(digits.as_bytes());
        fits
    }

    fn sealed(mut self) -> [u8; BLOCK] {
        self.0[257..265].copy_from_slice(b"ustar\x0000");
        self.0[148..156].fill(b' ');
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

fn flag(kind: Kind) -> u8 {
    match kind {
        Kind::File => b'0',
        Kind::HardLink => b'1',
        Kind::Symlink => b'2',
        Kind::CharDevice => b'3',
        Kind::BlockDevice => b'4',
        Kind::Folder => b'5',
        Kind::Fifo => b'6',
    }
}

/// Decimal seconds, as pax has them: a fraction goes towards the future, whatever the sign.
fn time(entry: &Entry) -> String {
    let (seconds, nanoseconds) = (entry.mtime.seconds, entry.mtime.nanoseconds);
    match (seconds, nanoseconds) {
        (seconds, 0) => seconds.to_string(),
        (0.., nanoseconds) => format!("{seconds}.{nanoseconds:09}"),
        (_, nanoseconds) => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds),
    }
}

/// `length key=value\n`, where the length counts its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::super::{Archive, DEFAULT_HEADER_LIMIT, Time, Xattr};
    use super::*;

    fn entry(path: &[u8], kind: Kind) -> Entry {
        Entry {
            path: path.to_vec(),
            link: Vec::new(),
            kind,
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: Time::default(),
            length: 0,
            sparse: None,
            device: (0, 0),
            xattrs: Vec::new(),
        }
    }

    /// Everything that a header can't hold.
    fn odd() -> Vec<Entry> {
        let xattr = Xattr { name: b"user.a".to_vec(), value: b"\0\n=\xff".to_vec() };
        vec![
            Entry { length: 3, xattrs: vec![xattr], ..entry(&[b'x'; 300], Kind::File) },
            Entry { link: [b'l'; 4000].to_vec(), ..entry(b"link", Kind::Symlink) },
            Entry { uid: 3_000_000_000, mode: 0o7777, ..entry(b"dir/", Kind::Folder) },
            Entry { device: (8, 1), ..entry(b"disk", Kind::BlockDevice) },
            Entry {
                mtime: Time { seconds: -2, nanoseconds: 750_000_000 },
                ..entry(b"\xff\xfe name", Kind::Fifo)
            },
            Entry {
                mtime: Time { seconds: 1 << 40, nanoseconds: 1 },
                ..entry(b"late", Kind::Fifo)
            },
        ]
    }

    fn archive() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for entry in odd() {
            match entry.kind {
                // Shorter than said.
                Kind::File => writer.file(&entry, &b"ab"[..]).unwrap(),
                _ => writer.entry(&entry).unwrap(),
            }
        }
        writer.finish().unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let archive = archive();
        let mut reader = Archive::new(&archive[..], DEFAULT_HEADER_LIMIT);
        for expected in odd() {
            assert_eq!(reader.next().unwrap().unwrap(), expected);
            if expected.length > 0 {
                assert_eq!(reader.content().unwrap(), b"ab\0");
            }
        }
        assert!(reader.next().unwrap().is_none());
    }

    /// GNU tar is the peer that says what a reader makes of it.
    #[test]
    fn gnu_tar_reads_it_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        std::fs::write(&path, archive()).unwrap();
        let output = std::process::Command::new("tar")
            .args(["--numeric-owner", "--full-time", "--utc", "-tvf"])
            .arg(&path)
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert!(lines[0].starts_with("-rw-r--r-- 0/0") && lines[0].ends_with(&"x".repeat(300)));
        assert!(lines[1].ends_with(&format!("link -> {}", "l".repeat(4000))));
        assert!(lines[2].starts_with("drwsrwsrwt 3000000000/0"), "{}", lines[2]);
        assert!(lines[3].starts_with("brw-r--r-- 0/0") && lines[3].contains("8,1"));
        // It prints times before 1970 with the fraction on the wrong side, pax's own too.
        assert!(lines[4].starts_with("prw-r--r-- 0/0"), "{}", lines[4]);
        assert!(lines[5].contains("36812-02-20"), "{}", lines[5]);
    }
}

//! From a stream of bytes to entries and their content.

use std::io::BufRead;

use super::header::{BLOCK, Format, Header};
use super::pax::Records;
use super::{Entry, Kind, Piece, TarError, Time, printable, sparse};

/// Reads entries one after the other, their content straight from the reader's buffer.
#[derive(Debug)]
pub struct Archive<R> {
    reader: R,
    /// Bytes taken from the reader so far.
    position: u64,
    /// Bytes of the current entry's content that are still in the reader.
    content: u64,
    /// Bytes after that content, up to the next block.
    padding: u64,
    header_limit: u64,
    globals: Records,
}

/// What stood before an entry's own header and speaks of it.
#[derive(Default)]
struct Extensions {
    pax: Option<Records>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: BufRead> Archive<R> {
    /// Reads from `reader`; extended headers and long names larger than `header_limit`
    /// bytes are refused.
    pub fn new(reader: R, header_limit: u64) -> Self {
        let globals = Records::default();
        Self { reader, position: 0, content: 0, padding: 0, header_limit, globals }
    }

    /// The reader, with whatever follows the entries read so far.
    pub fn into_inner(self) -> R {
        self.reader
    }

    /// The next entry, or `None` at the end of the archive: two blocks of zeros, one of
    /// them at the end of the bytes, or just the end of the bytes. What follows is not read.
    ///
    /// # Errors
    /// The reader failed, or the archive is malformed, ambiguous or beyond the limit.
    #[allow(clippy::should_implement_trait, reason = "an entry must not outlive its content")]
    pub fn next(&mut self) -> Result<Option<Entry>, TarError> {
        self.skip_content()?;
        let mut extensions = Extensions::default();
        let mut block = [0; BLOCK];
        while self.block(&mut block, "a header")? {
            if block.iter().all(|byte| *byte == 0) {
                if self.block(&mut block, "the end mark")? && block.iter().any(|byte| *byte != 0) {
                    return Err(self.bad_header("is a block of zeros before another header"));
                }
                break;
            }
            let header = Header::parse(&block)
                .ok_or_else(|| self.bad_header("has a checksum that does not match"))?;
            match header.flag() {
                b'x' => extensions.pax = Some(self.records(&header)?),
                b'g' => self.take_globals(&header)?,
                b'L' => extensions.long_name = Some(self.long_text(&header)?),
                b'K' => extensions.long_link = Some(self.long_text(&header)?),
                _ => return self.entry(&header, extensions).map(Some),
            }
        }
        let Extensions { pax: None, long_name: None, long_link: None } = extensions else {
            return Err(self.bad_header("is an extension of an entry that does not follow"));
        };
        Ok(None)
    }

    /// The next bytes of the current entry's content, as many as are at hand; empty at its end.
    ///
    /// # Errors
    /// The reader failed, or the archive ends inside the content.
    pub fn content(&mut self) -> Result<&[u8], TarError> {
        if self.content == 0 {
            return Ok(&[]);
        }
        let position = self.position;
        let bytes = fill(&mut self.reader, position)?;
        if bytes.is_empty() {
            return Err(TarError::Truncated { position, what: "an entry's content" });
        }
        let at_hand = usize::try_from(self.content).unwrap_or(usize::MAX).min(bytes.len());
        Ok(&bytes[..at_hand])
    }

    /// Marks `amount` bytes of what [`content`](Self::content) returned as used.
    pub fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
        self.position += amount as u64;
        self.content -= amount as u64;
    }

    fn entry(&mut self, header: &Header<'_>, extensions: Extensions) -> Result<Entry, TarError> {
        let Extensions { pax, long_name, long_link } = extensions;
        let records = pax.unwrap_or_default();
        let sparse_name = records.sparse.name.clone();
        let path = long_name.or(sparse_name).or(records.path).unwrap_or_else(|| header.name());
        if path.is_empty() {
            return Err(self.bad_header("has no name"));
        }
        let kind = kind(header.flag(), &path)?;
        let bad = |what| TarError::Entry { path: printable(&path), what };
        let stated = match (records.size, header.size()) {
            (Some(size), _) | (None, Some(size)) => size,
            (None, None) => return Err(bad("has a malformed size")),
        };
        let size = match kind {
            Kind::File => stated,
            // Writers leave the size of the linked file here, and all readers ignore it.
            Kind::HardLink if records.size.unwrap_or(0) == 0 => 0,
            _ if stated == 0 => 0,
            // Some readers take the content for headers, others skip it.
            _ => return Err(bad("has a size but can have no content")),
        };
        let id = |record: Option<i64>, global: Option<i64>, field: Option<i64>, what| {
            let id = record.or(global).or(field).and_then(|id| u32::try_from(id).ok());
            id.filter(|id| *id != u32::MAX).ok_or_else(|| bad(what))
        };
        let uid = id(records.uid, self.globals.uid, header.uid(), "has an owner beyond 32 bits")?;
        let gid = id(records.gid, self.globals.gid, header.gid(), "has a group beyond 32 bits")?;
        let mtime = match records.mtime.or(self.globals.mtime) {
            Some(time) => time,
            None => {
                let seconds = header.mtime().ok_or_else(|| bad("has a malformed time"))?;
                Time { seconds, nanoseconds: 0 }
            }
        };
        let mode = header.mode().ok_or_else(|| bad("has a malformed mode"))?;
        let mode = u32::try_from(mode & 0o7777).expect("twelve bits");
        let device = match kind {
            Kind::CharDevice | Kind::BlockDevice => {
                header.device().ok_or_else(|| bad("has a malformed device number"))?
            }
            _ => (0, 0),
        };
        let link = match kind {
            Kind::HardLink | Kind::Symlink => {
                long_link.or(records.link).unwrap_or_else(|| header.link().to_vec())
            }
            _ => Vec::new(),
        };
        if link.is_empty() && matches!(kind, Kind::HardLink | Kind::Symlink) {
            return Err(bad("is a link to nothing"));
        }
        self.expect_content(size);
        let xattrs = records.xattrs;
        let mut entry = Entry {
            path,
            link,
            kind,
            mode,
            uid,
            gid,
            mtime,
            length: size,
            sparse: None,
            device,
            xattrs,
        };
        if header.flag() == b'S' {
            self.old_sparse(header, &mut entry)?;
        } else if records.sparse.is_used() {
            self.pax_sparse(records.sparse, &mut entry)?;
        }
        Ok(entry)
    }

    /// Old GNU format: the map in the header and in blocks before the content.
    fn old_sparse(&mut self, header: &Header<'_>, entry: &mut Entry) -> Result<(), TarError> {
        let malformed =
            || TarError::Entry { path: printable(&entry.path), what: "has a malformed sparse map" };
        let length = header.sparse_length();
        let length = length.filter(|_| header.format() == Format::Gnu).ok_or_else(malformed)?;
        let mut pieces = sparse::places(header.sparse_places()).ok_or_else(malformed)?;
        let mut continues = header.sparse_continues();
        while continues {
            let mut block = [0; BLOCK];
            if !self.block(&mut block, "a sparse map")? {
                let position = self.position;
                return Err(TarError::Truncated { position, what: "a sparse map" });
            }
            pieces.extend(sparse::places(&block[..504]).ok_or_else(malformed)?);
            if pieces.len() > sparse::MOST_PIECES {
                return Err(malformed());
            }
            continues = block[504] != 0;
        }
        set_sparse(entry, pieces, length, self.content)
    }

    /// GNU's pax formats 0.0 and 0.1 (the map in the records) and 1.0 (before the content).
    fn pax_sparse(
        &mut self,
        records: super::pax::SparseRecords,
        entry: &mut Entry,
    ) -> Result<(), TarError> {
        let bad = |entry: &Entry, what| TarError::Entry { path: printable(&entry.path), what };
        if entry.kind != Kind::File {
            return Err(bad(entry, "is sparse but no file"));
        }
        let length = records.length.ok_or_else(|| bad(entry, "is sparse but has no length"))?;
        let pieces = match (records.version, records.pieces) {
            ((Some(1), Some(0)), None) => self.sparse_map_in_content(entry)?,
            ((None, None) | (Some(0), Some(0 | 1)), Some(pieces)) => pieces,
            _ => return Err(bad(entry, "has a sparse map of an unknown version")),
        };
        set_sparse(entry, pieces, length, self.content)
    }

    fn sparse_map_in_content(&mut self, entry: &Entry) -> Result<Vec<Piece>, TarError> {
        let bad = |what| TarError::Entry { path: printable(&entry.path), what };
        let (mut text, mut lines, mut wanted) = (Vec::new(), 0, 1);
        // The map fills whole blocks and the content begins at the next one, so not one
        // block more may be taken than it has: its first line says how many lines it has.
        while lines < wanted {
            if self.content < BLOCK as u64 {
                return Err(bad("has a malformed sparse map"));
            }
            let mut block = [0; BLOCK];
            self.block(&mut block, "a sparse map")?;
            self.content -= BLOCK as u64;
            text.extend_from_slice(&block);
            if text.len() as u64 > self.header_limit {
                return Err(bad("has a sparse map beyond the limit of headers"));
            }
            lines += block.iter().filter(|byte| **byte == b'\n').count();
            if let Some(count) = sparse::count(&text).map_err(bad)? {
                wanted = 1 + 2 * count;
            }
        }
        sparse::lines(&text).map_err(bad)
    }

    fn records(&mut self, header: &Header<'_>) -> Result<Records, TarError> {
        let size = self.extension_size(header)?;
        let bytes = self.extension(size)?;
        Records::parse(&bytes).map_err(|what| self.bad_header(what))
    }

    /// A global header's owner, group and time hold for every entry after it, as POSIX
    /// says; what could only be true of one entry is refused, as readers disagree on it.
    fn take_globals(&mut self, header: &Header<'_>) -> Result<(), TarError> {
        let records = self.records(header)?;
        if records.names_one_entry() {
            return Err(self.bad_header("is global but speaks of one entry"));
        }
        self.globals.uid = records.uid.or(self.globals.uid);
        self.globals.gid = records.gid.or(self.globals.gid);
        self.globals.mtime = records.mtime.or(self.globals.mtime);
        Ok(())
    }

    /// A GNU long name or link target, which ends at its first NUL.
    fn long_text(&mut self, header: &Header<'_>) -> Result<Vec<u8>, TarError> {
        let size = self.extension_size(header)?;
        let mut text = self.extension(size.next_multiple_of(BLOCK as u64))?;
        let size = usize::try_from(size).unwrap_or(text.len());
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        // Where no NUL ends it within its size, GNU tar and Python read on to the next one, and Go stops.
        if end > size {
            return Err(self.bad_header("has a name that goes on behind its size"));
        }
        text.truncate(end);
        Ok(text)
    }

    /// The size of an extension, which is never overridden by another extension.
    fn extension_size(&self, header: &Header<'_>) -> Result<u64, TarError> {
        let size = header.size().ok_or_else(|| self.bad_header("has a malformed size"))?;
        if size > self.header_limit {
            return Err(self.bad_header("is larger than the limit of headers"));
        }
        Ok(size)
    }

    /// The content of an extension.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        self.expect_content(size);
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        loop {
            let piece = self.content()?;
            if piece.is_empty() {
                break;
            }
            let length = piece.len();
            bytes.extend_from_slice(piece);
            self.consume(length);
        }
        self.skip_content()?;
        Ok(bytes)
    }

    fn expect_content(&mut self, size: u64) {
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip_content(&mut self) -> Result<(), TarError> {
        loop {
            let length = self.content()?.len();
            if length == 0 {
                break;
            }
            self.consume(length);
        }
        while self.padding > 0 {
            let position = self.position;
            let at_hand = fill(&mut self.reader, position)?.len();
            // The last entry's padding may be missing, as in what `tar` pipes cut short:
            // nothing is lost.
            if at_hand == 0 {
                break;
            }
            let amount = self.padding.min(at_hand as u64);
            self.reader.consume(usize::try_from(amount).expect("no more than was at hand"));
            self.position += amount;
            self.padding -= amount;
        }
        self.padding = 0;
        Ok(())
    }

    /// Fills `block`; false if the bytes end before it.
    fn block(&mut self, block: &mut [u8; BLOCK], what: &'static str) -> Result<bool, TarError> {
        let mut filled = 0;
        while filled < BLOCK {
            let position = self.position;
            let bytes = fill(&mut self.reader, position)?;
            if bytes.is_empty() {
                if filled == 0 {
                    return Ok(false);
                }
                return Err(TarError::Truncated { position, what });
            }
            let amount = bytes.len().min(BLOCK - filled);
            block[filled..filled + amount].copy_from_slice(&bytes[..amount]);
            self.reader.consume(amount);
            self.position += amount as u64;
            filled += amount;
        }
        Ok(true)
    }

    fn bad_header(&self, what: &'static str) -> TarError {
        TarError::Header { position: self.position, what }
    }
}

fn fill<R: BufRead>(reader: &mut R, position: u64) -> Result<&[u8], TarError> {
    reader.fill_buf().map_err(|source| TarError::Read { position, source })
}

fn kind(flag: u8, path: &[u8]) -> Result<Kind, TarError> {
    let slash = path.last() == Some(&b'/');
    Ok(match flag {
        // v7 had no type for folders.
        0 if slash => Kind::Folder,
        b'0' | b'7' | b'S' if slash => {
            let path = printable(path);
            return Err(TarError::Entry { path, what: "is a file with the name of a folder" });
        }
        0 | b'0' | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharDevice,
        b'4' => Kind::BlockDevice,
        b'5' => Kind::Folder,
        b'6' => Kind::Fifo,
        _ => return Err(TarError::Type { path: printable(path), flag: char::from(flag) }),
    })
}

fn set_sparse(
    entry: &mut Entry,
    pieces: Vec<Piece>,
    length: u64,
    content: u64,
) -> Result<(), TarError> {
    if !sparse::is_sound(&pieces, length, content) {
        let path = printable(&entry.path);
        return Err(TarError::Entry { path, what: "has a sparse map that can't be true" });
    }
    entry.length = length;
    entry.sparse = Some(pieces);
    Ok(())
}

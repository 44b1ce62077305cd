//! Extended headers: records of `length keyword=value` (POSIX.1-2017 `pax`,
//! "pax Extended Header"), with the keywords of GNU tar, star and libarchive.

use super::{Piece, Time, Xattr, sparse};

/// What an extended header says about the next entry.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<i64>,
    pub gid: Option<i64>,
    pub mtime: Option<Time>,
    pub xattrs: Vec<Xattr>,
    pub sparse: SparseRecords,
}

/// The keywords of GNU's three pax encodings of sparse files.
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    pub version: (Option<u64>, Option<u64>),
    pub name: Option<Vec<u8>>,
    /// `GNU.sparse.realsize` (1.0) or `GNU.sparse.size` (0.0, 0.1).
    pub length: Option<u64>,
    pub pieces: Option<Vec<Piece>>,
    /// An offset of format 0.0 that waits for its length.
    offset: Option<u64>,
}

impl Records {
    /// Reads the records of one extended header.
    ///
    /// # Errors
    /// A predicate for the message: what is wrong with the header.
    pub fn parse(mut bytes: &[u8]) -> Result<Self, &'static str> {
        let mut records = Self::default();
        while !bytes.is_empty() {
            let (keyword, value, rest) = record(bytes).ok_or("has a malformed record")?;
            records.take(keyword, value)?;
            bytes = rest;
        }
        if records.sparse.offset.is_some() {
            return Err("has a sparse offset without a length");
        }
        Ok(records)
    }

    /// Whether it speaks of one certain entry, which a global header can't sensibly do.
    pub fn names_one_entry(&self) -> bool {
        self.path.is_some()
            || self.link.is_some()
            || self.size.is_some()
            || !self.xattrs.is_empty()
            || self.sparse.is_used()
    }

    fn take(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), &'static str> {
        const NUMBER: &str = "has a record whose value is no number";
        let number = || decimal(value).ok_or(NUMBER);
        match keyword {
            // POSIX: an empty value takes back what an earlier record said.
            b"path" => self.path = name(value)?,
            b"linkpath" => self.link = name(value)?,
            b"size" => self.size = if value.is_empty() { None } else { Some(number()?) },
            b"uid" => self.uid = id(value).ok_or(NUMBER)?,
            b"gid" => self.gid = id(value).ok_or(NUMBER)?,
            b"mtime" => self.mtime = time(value).ok_or(NUMBER)?,
            b"GNU.sparse.major" => self.sparse.version.0 = Some(number()?),
            b"GNU.sparse.minor" => self.sparse.version.1 = Some(number()?),
            b"GNU.sparse.name" => self.sparse.name = name(value)?,
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.length = Some(number()?),
            b"GNU.sparse.offset" => {
                if self.sparse.offset.replace(number()?).is_some() {
                    return Err("has a sparse offset without a length");
                }
            }
            b"GNU.sparse.numbytes" => {
                let offset = self.sparse.offset.take().ok_or("has a sparse length of nothing")?;
                let piece = Piece { offset, length: number()? };
                self.sparse.pieces.get_or_insert_default().push(piece);
            }
            b"GNU.sparse.map" => self.sparse.pieces = Some(sparse::list(value).ok_or(NUMBER)?),
            _ => self.take_xattr(keyword, value)?,
        }
        Ok(())
    }

    fn take_xattr(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), &'static str> {
        let (name, value) = if let Some(name) = keyword.strip_prefix(b"SCHILY.xattr.") {
            (name.to_vec(), value.to_vec())
        } else if let Some(name) = keyword.strip_prefix(b"LIBARCHIVE.xattr.") {
            (percent(name), base64(value).ok_or("has an attribute that is not base64")?)
        } else {
            // Names of users and groups, comments, checksums: nothing a layer needs.
            return Ok(());
        };
        if name.is_empty() || name.contains(&0) {
            return Err("has an attribute with an impossible name");
        }
        // libarchive writes each attribute under both keywords; the later one wins.
        match self.xattrs.iter_mut().find(|known| known.name == name) {
            Some(known) => known.value = value,
            None => self.xattrs.push(Xattr { name, value }),
        }
        Ok(())
    }
}

impl SparseRecords {
    pub fn is_used(&self) -> bool {
        self.version.0.is_some()
            || self.name.is_some()
            || self.length.is_some()
            || self.pieces.is_some()
    }
}

/// Splits the first record off: keyword, value, what follows.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
    if length <= space + 1 || length > bytes.len() {
        return None;
    }
    let (record, rest) = bytes.split_at(length);
    let record = record[space + 1..].strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    if equals == 0 {
        return None;
    }
    Some((&record[..equals], &record[equals + 1..], rest))
}

fn name(value: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    if value.contains(&0) {
        return Err("has a name with a NUL in it");
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

/// Digits only; no sign, no space.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

fn id(value: &[u8]) -> Option<Option<i64>> {
    if value.is_empty() {
        return Some(None);
    }
    Some(Some(decimal(value)?.try_into().ok()?))
}

/// Seconds with an optional fraction, cut to nanoseconds; negative before 1970.
fn time(value: &[u8]) -> Option<Option<Time>> {
    if value.is_empty() {
        return Some(None);
    }
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
    let seconds = i64::try_from(decimal(&digits[..point])?).ok()?;
    let fraction = digits.get(point + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanoseconds = (0..9)
        .fold(0, |sum, place| sum * 10 + fraction.get(place).map_or(0, |d| u32::from(d - b'0')));
    Some(Some(match (negative, nanoseconds) {
        (false, _) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds },
        // Rounded down, so that the nanoseconds count forward.
        (true, _) => {
            Time { seconds: (-seconds).checked_sub(1)?, nanoseconds: 1_000_000_000 - nanoseconds }
        }
    }))
}

/// Undoes libarchive's percent encoding of attribute names; what is no escape stays.
fn percent(name: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => digit(high).zip(digit(low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits"));
                rest = &after[2..];
            }
            None => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

/// Standard alphabet; libarchive leaves the padding out, others may not.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    let mut decoded = Vec::with_capacity(end * 3 / 4);
    for group in text[..end].chunks(4) {
        let mut bits = 0_u32;
        for byte in group {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        let bytes = (bits << (6 * (4 - group.len()))).to_be_bytes();
        let whole = match group.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        decoded.extend_from_slice(&bytes[1..=whole]);
    }
    Some(decoded)
}

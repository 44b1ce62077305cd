//! One header block of 512 bytes: its fields and numbers, not what they mean together.

/// The unit of a tar archive, in bytes.
pub(super) const BLOCK: usize = 512;

/// Which of the header's fields may be trusted to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// No magic: no device numbers, no prefix.
    V7,
    /// POSIX: with a name prefix.
    Ustar,
    /// GNU before POSIX: device numbers, no prefix, sparse maps.
    Gnu,
}

/// A header block whose checksum was verified.
#[derive(Debug)]
pub(super) struct Header<'a>(&'a [u8; BLOCK]);

impl<'a> Header<'a> {
    /// Takes a block that holds a header; `None` if its checksum is wrong.
    pub fn parse(block: &'a [u8; BLOCK]) -> Option<Self> {
        let header = Self(block);
        let stated = number(&block[148..156])?;
        let (mut unsigned, mut signed) = (0_i64, 0_i64);
        for (position, &byte) in block.iter().enumerate() {
            let byte = if (148..156).contains(&position) { b' ' } else { byte };
            unsigned += i64::from(byte);
            // Some early implementations summed signed bytes; readers accept both.
            signed += i64::from(byte.cast_signed());
        }
        (stated == unsigned || stated == signed).then_some(header)
    }

    pub fn format(&self) -> Format {
        match &self.0[257..265] {
            b"ustar  \0" => Format::Gnu,
            magic if &magic[..6] == b"ustar\0" => Format::Ustar,
            _ => Format::V7,
        }
    }

    pub fn flag(&self) -> u8 {
        self.0[156]
    }

    /// The name, with its prefix where the format has one.
    pub fn name(&self) -> Vec<u8> {
        let name = text(&self.0[0..100]);
        let prefix = match self.format() {
            // Schily's star keeps access and change times where POSIX has the prefix' end.
            Format::Ustar if &self.0[508..512] == b"tar\0" => text(&self.0[345..476]),
            Format::Ustar => text(&self.0[345..500]),
            Format::V7 | Format::Gnu => b"",
        };
        if prefix.is_empty() { name.to_vec() } else { [prefix, name].join(&b'/') }
    }

    pub fn link(&self) -> &'a [u8] {
        text(&self.0[157..257])
    }

    pub fn mode(&self) -> Option<i64> {
        number(&self.0[100..108])
    }

    pub fn uid(&self) -> Option<i64> {
        number(&self.0[108..116])
    }

    pub fn gid(&self) -> Option<i64> {
        number(&self.0[116..124])
    }

    pub fn size(&self) -> Option<u64> {
        number(&self.0[124..136])?.try_into().ok()
    }

    pub fn mtime(&self) -> Option<i64> {
        number(&self.0[136..148])
    }

    pub fn device(&self) -> Option<(u32, u32)> {
        if self.format() == Format::V7 {
            return Some((0, 0));
        }
        let part = |field| number(field).and_then(|part| u32::try_from(part).ok());
        Some((part(&self.0[329..337])?, part(&self.0[337..345])?))
    }

    /// The four places of an old GNU sparse map.
    pub fn sparse_places(&self) -> &'a [u8] {
        &self.0[386..482]
    }

    /// Whether blocks with more of the sparse map follow.
    pub fn sparse_continues(&self) -> bool {
        self.0[482] != 0
    }

    /// The length of an old GNU sparse file with its holes.
    pub fn sparse_length(&self) -> Option<u64> {
        number(&self.0[483..495])?.try_into().ok()
    }
}

/// A field up to its NUL, if it has one.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or(field)
}

/// A number in octal digits (padded with spaces before it, with spaces or NULs behind, absent means 0) or in
/// base 256 (GNU: the first bit set, two's complement). `None` for anything else and beyond 64 bits.
/// Digits behind a NUL are refused: Go's reader takes them for the number, GNU tar and Python read 0.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    let &first = field.first()?;
    if first & 0x80 != 0 {
        let negative = first & 0x40 != 0;
        let start = if negative { -1_i128 } else { 0 };
        let mut value = start << 6 | i128::from(first & 0x3f);
        for &byte in &field[1..] {
            value = value.checked_mul(256)? | i128::from(byte);
        }
        return value.try_into().ok();
    }
    let field = field.trim_ascii_start();
    let padding = |byte: &u8| matches!(byte, 0 | b' ');
    if field.first() == Some(&0) && field.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let end = field.iter().position(padding).unwrap_or(field.len());
    let (digits, rest) = field.split_at(end);
    // After the first NUL anything may stand; after a space only padding.
    let visible = rest.split(|byte| *byte == 0).next().unwrap_or(rest);
    if !visible.iter().all(padding) {
        return None;
    }
    digits.iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

//! `seccomp.bpf`: the system call filter of a container, assembled for the kernel by whoever
//! wrote `config.json`. The monitor loads it and assembles nothing.
//!
//! ```text
//! magic "ISOPOD\0F" │ version u32 │ flags u32 │ count u32 │ count × { code u16, jt u8, jf u8, k u32 }
//! ```
//!
//! All little-endian. It lies beside a `config.json` that has `linux.seccomp`, and beside no
//! other; a monitor refuses to start a process where the two disagree.

use crate::VERSION;

const MAGIC: [u8; 8] = *b"ISOPOD\0F";
const HEADER: usize = 20;
const INSTRUCTION: usize = 8;

/// The longest program the kernel takes, `BPF_MAXINSNS`.
const LONGEST: usize = 4096;

/// One instruction of classic BPF, as `struct sock_filter` names its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// Instructions to skip if the comparison holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// A filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// `SECCOMP_FILTER_FLAG_*` of seccomp(2).
    pub flags: u32,
    /// 1 to 4096.
    pub instructions: Vec<Instruction>,
}

/// Why bytes are no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// They don't begin as one.
    #[error("not a seccomp program")]
    Foreign,
    /// Written for another version.
    #[error("seccomp program of version {0}, this release speaks {VERSION}")]
    Version(u32),
    /// Torn, or longer than the kernel takes.
    #[error("seccomp program of {count} instructions in {bytes} bytes")]
    Length {
        /// As the header says.
        count: u32,
        /// What there is beside the header.
        bytes: usize,
    },
}

impl Filter {
    /// The file's content.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.instructions.len() * INSTRUCTION);
        bytes.extend(MAGIC);
        let count = u32::try_from(self.instructions.len()).unwrap_or(u32::MAX);
        for word in [VERSION, self.flags, count] {
            bytes.extend(word.to_le_bytes());
        }
        for one in &self.instructions {
            bytes.extend(one.code.to_le_bytes());
            bytes.extend([one.jt, one.jf]);
            bytes.extend(one.k.to_le_bytes());
        }
        bytes
    }

    /// Reads the file's content.
    ///
    /// # Errors
    /// See [`FilterError`]; an empty program is one of a wrong length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FilterError> {
        let (header, body) = bytes.split_at_checked(HEADER).ok_or(FilterError::Foreign)?;
        if header[..8] != MAGIC {
            return Err(FilterError::Foreign);
        }
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (version, flags, count) = (word(8), word(12), word(16));
        if version != VERSION {
            return Err(FilterError::Version(version));
        }
        let length = usize::try_from(count).unwrap_or(usize::MAX);
        if !(1..=LONGEST).contains(&length) || body.len() != length * INSTRUCTION {
            return Err(FilterError::Length { count, bytes: body.len() });
        }
        let instructions = body
            .chunks_exact(INSTRUCTION)
            .map(|b| Instruction {
                code: u16::from_le_bytes([b[0], b[1]]),
                jt: b[2],
                jf: b[3],
                k: u32::from_le_bytes([b[4], b[5], b[6], b[7]]),
            })
            .collect();
        Ok(Self { flags, instructions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter() -> Filter {
        let allow = Instruction { code: 6, jt: 0, jf: 0, k: 0x7fff_0000 };
        let jump = Instruction { code: 0x15, jt: 3, jf: 250, k: 0xdead_beef };
        Filter { flags: 4, instructions: vec![jump, allow] }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = filter().to_bytes();
        assert_eq!(bytes.len(), 36);
        assert_eq!(bytes[20..28], [0x15, 0, 3, 250, 0xef, 0xbe, 0xad, 0xde]);
        assert_eq!(Filter::from_bytes(&bytes), Ok(filter()));
    }

    #[test]
    fn anything_but_a_whole_program_is_refused() {
        let bytes = filter().to_bytes();
        for length in 0..bytes.len() {
            assert!(Filter::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
        let with = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            Filter::from_bytes(&bytes)
        };
        assert_eq!(with(0, b'i'), Err(FilterError::Foreign));
        assert_eq!(with(8, 2), Err(FilterError::Version(2)));
        assert_eq!(with(16, 3), Err(FilterError::Length { count: 3, bytes: 16 }));
        let empty = Filter { flags: 0, instructions: Vec::new() }.to_bytes();
        assert!(Filter::from_bytes(&empty).is_err());
        let long = Filter { flags: 0, instructions: vec![filter().instructions[0]; 4097] };
        assert!(Filter::from_bytes(&long.to_bytes()).is_err());
    }
}

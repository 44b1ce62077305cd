//! The keys that leave a container running and its terminal behind (docker's `--detach-keys`).

/// The default of the originals: control-p, control-q.
pub const DEFAULT: &str = "ctrl-p,ctrl-q";

/// A sequence of keys, and how much of it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    sequence: Vec<u8>,
    typed: usize,
}

/// What to do with what was typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// Hand this on.
    Pass(Vec<u8>),
    /// Hand this on and leave.
    Detach(Vec<u8>),
}

impl Keys {
    /// Parses `ctrl-p,ctrl-q`: characters and `ctrl-` with a letter or one of `@ [ \ ] ^ _`,
    /// separated by commas.
    ///
    /// # Errors
    /// The part that is no key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let sequence = text.split(',').map(key).collect::<Result<Vec<u8>, String>>()?;
        Ok(Self { sequence, typed: 0 })
    }

    /// Takes typed bytes; those that may begin the sequence are held back until it is
    /// complete or broken.
    pub fn take(&mut self, bytes: &[u8]) -> Typed {
        let mut pass = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            while byte != self.sequence[self.typed] {
                if self.typed == 0 {
                    break;
                }
                self.give_up_one(&mut pass);
            }
            if byte == self.sequence[self.typed] {
                self.typed += 1;
            } else {
                pass.push(byte);
            }
            if self.typed == self.sequence.len() {
                self.typed = 0;
                return Typed::Detach(pass);
            }
        }
        Typed::Pass(pass)
    }

    /// What is held back, when no more can come.
    pub fn rest(&mut self) -> Vec<u8> {
        let rest = self.sequence[..self.typed].to_vec();
        self.typed = 0;
        rest
    }

    /// Hands on the oldest bytes held back until the others begin the sequence again.
    fn give_up_one(&mut self, pass: &mut Vec<u8>) {
        let held = &self.sequence[..self.typed];
        let given = (1..=held.len())
            .find(|&start| self.sequence.starts_with(&held[start..]))
            .expect("nothing held back begins every sequence");
        pass.extend_from_slice(&held[..given]);
        self.typed -= given;
    }
}

fn key(text: &str) -> Result<u8, String> {
    let error = || format!("{text:?} is no key: give a character or ctrl- and a letter");
    match text.strip_prefix("ctrl-").map(str::as_bytes) {
        Some(&[letter @ b'a'..=b'z']) => Ok(letter - b'a' + 1),
        Some(b"@") => Ok(0),
        Some(&[sign @ (b'[' | b'\\' | b']' | b'^' | b'_')]) => Ok(sign - b'[' + 27),
        Some(_) => Err(error()),
        None if text == "DEL" => Ok(127),
        None => match text.as_bytes() {
            &[byte] if byte.is_ascii() => Ok(byte),
            _ => Err(error()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_docker_writes_them() {
        assert_eq!(Keys::parse(DEFAULT).unwrap().sequence, [16, 17]);
        assert_eq!(
            Keys::parse("ctrl-@,ctrl-[,ctrl-_,a,DEL").unwrap().sequence,
            [0, 27, 31, 97, 127]
        );
        for wrong in ["", "ctrl-", "ctrl-1", "ab", "ctrl-p,", "é"] {
            assert!(Keys::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_sequence_detaches_wherever_the_reads_cut_it() {
        let mut keys = Keys::parse(DEFAULT).unwrap();
        assert_eq!(keys.take(b"ls\x10\x11rest"), Typed::Detach(b"ls".to_vec()));
        assert_eq!(keys.take(b"ls\x10"), Typed::Pass(b"ls".to_vec()));
        assert_eq!(keys.take(b"\x11"), Typed::Detach(Vec::new()));
    }

    #[test]
    fn a_broken_sequence_reaches_the_container_whole() {
        let mut keys = Keys::parse(DEFAULT).unwrap();
        assert_eq!(keys.take(b"\x10"), Typed::Pass(Vec::new()));
        assert_eq!(keys.take(b"x"), Typed::Pass(b"\x10x".to_vec()));
        // control-p twice: the first is the shell's, the second may begin the sequence.
        assert_eq!(keys.take(b"\x10\x10"), Typed::Pass(b"\x10".to_vec()));
        assert_eq!(keys.take(b"\x11"), Typed::Detach(Vec::new()));
    }

    #[test]
    fn a_sequence_that_repeats_itself_is_found_after_a_false_start() {
        let mut keys = Keys::parse("a,a,b").unwrap();
        assert_eq!(keys.take(b"aaab"), Typed::Detach(b"a".to_vec()));
        assert_eq!(keys.take(b"aa"), Typed::Pass(Vec::new()));
        assert_eq!(keys.rest(), b"aa");
    }
}

//! The compressed bytes on their way in: digested and counted as they are read.

use std::io::{self, BufRead, Read};

use isopod_image::digest::{Algorithm, Digester};

use crate::error::Arrived;
use crate::pipeline::Observer;

/// Large enough that a read call costs nothing beside digesting its bytes.
const BUFFER: usize = 128 << 10;

/// Reads the input through one buffer, from which the decoder takes its bytes uncopied.
pub(crate) struct Arriving<'a, R> {
    input: R,
    buffer: Box<[u8]>,
    /// What of the buffer is filled and not yet taken.
    start: usize,
    end: usize,
    digester: Digester,
    size: u64,
    observer: &'a dyn Observer,
    /// Set when the input failed: then it is not read again, and the error is the
    /// input's and not the decoder's.
    failure: Option<io::Error>,
}

impl<'a, R: Read> Arriving<'a, R> {
    pub fn new(input: R, algorithm: Algorithm, observer: &'a dyn Observer) -> Self {
        Self {
            input,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            digester: Digester::new(algorithm),
            size: 0,
            observer,
            failure: None,
        }
    }

    /// The input's own error, if it had one.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Reads what is left, unless `stop` says that nobody wants to know.
    ///
    /// # Errors
    /// The input failed.
    pub fn finish(mut self, stop: impl Fn() -> bool) -> io::Result<Option<Arrived>> {
        loop {
            if stop() {
                return Ok(None);
            }
            let length = self.fill_buf()?.len();
            if length == 0 {
                return Ok(Some(Arrived { digest: self.digester.finish(), size: self.size }));
            }
            self.consume(length);
        }
    }

    fn read_more(&mut self) -> io::Result<usize> {
        loop {
            match self.input.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl<R: Read> Read for Arriving<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let amount = self.fill_buf()?.read(into)?;
        self.consume(amount);
        Ok(amount)
    }
}

impl<R: Read> BufRead for Arriving<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            if self.failure.is_some() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            match self.read_more() {
                Ok(amount) => (self.start, self.end) = (0, amount),
                Err(error) => {
                    let kind = error.kind();
                    self.failure = Some(error);
                    return Err(kind.into());
                }
            }
            let bytes = &self.buffer[..self.end];
            self.digester.update(bytes);
            self.size += bytes.len() as u64;
            self.observer.arrived(bytes.len() as u64);
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = (self.start + amount).min(self.end);
    }
}

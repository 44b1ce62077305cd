//! The only way to standard output and standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use super::table::printable;

/// Writes data to standard output and notes to standard error.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    name: &'static str,
}

impl Printer {
    /// A printer whose notes begin with `name:`.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// Writes data as it is.
    ///
    /// # Errors
    /// Standard output can't be written; `BrokenPipe` when its reader has left, which
    /// the caller ends quietly on.
    pub fn data(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Writes a line of data.
    ///
    /// # Errors
    /// As [`Printer::data`].
    pub fn line(&self, text: impl Display) -> io::Result<()> {
        self.data(format!("{text}\n").as_bytes())
    }

    /// Tells a person something that is not data: one line without a prefix, on standard error.
    ///
    /// What registries and images say ends up in such lines, so control characters don't. A
    /// standard error that can't be written leaves nobody to tell.
    pub fn note(&self, text: impl Display) {
        writeln!(io::stderr().lock(), "{}", printable(&text.to_string())).ok();
    }

    /// Asks something on standard error, which may take several lines; the answer follows on the last.
    pub fn ask(&self, text: &str) {
        let lines: Vec<String> = text.split('\n').map(printable).collect();
        write!(io::stderr().lock(), "{}", lines.join("\n")).ok();
    }

    /// Writes lines to standard error as they are: those of a log that others read.
    pub fn raw(&self, text: &str) {
        io::stderr().lock().write_all(text.as_bytes()).ok();
    }

    /// Warns, with the program's name before it.
    pub fn warn(&self, text: impl Display) {
        self.note(format_args!("{}: {text}", self.name));
    }
}

/// Whether standard error is a terminal, so that bars may move on it.
#[must_use]
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

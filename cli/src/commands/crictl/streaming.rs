//! A command's streams and ours: for `exec` and `attach`.

mod input;
mod signals;

use std::io::{self, Write};

use isopod_streaming::client::{ClientError, Connector, RemoteCommand, Resizer, Transport};
use isopod_streaming::{Outcome, Reader, TerminalSize, Writer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::commands::Status;
use crate::error::Error;
use crate::terminal;
use crate::terminal::detach::{self, Keys, Typed};
use crate::terminal::raw::RawMode;
use input::Input;
use signals::Signals;

/// Where a runtime's streams are when its address names no host: kubelet's own.
const HOST: &str = "http://127.0.0.1:10250";
/// How much is copied at once, in bytes.
const PIECE: usize = 32 * 1024;

/// What carries the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Carrier {
    /// SPDY/3.1, which every runtime has.
    Spdy,
    /// WebSocket, which newer ones have.
    Websocket,
}

impl Carrier {
    /// What connects to a runtime's address.
    #[must_use]
    pub fn connector(self) -> Connector {
        Connector::new(match self {
            Self::Spdy => Transport::Spdy,
            Self::Websocket => Transport::WebSocket,
        })
    }
}

/// An address as a runtime gives it, with the host that it may leave out.
#[must_use]
pub fn address(url: &str) -> String {
    if url.starts_with('/') { format!("{HOST}{url}") } else { url.to_owned() }
}

/// A terminal has to be one on this side too, and is typed at.
///
/// # Errors
/// It isn't.
pub fn require_terminal(stdin: bool, tty: bool) -> Result<(), Error> {
    if tty && !stdin {
        return Err(Error::Argument("-t needs -i beside it: a terminal is typed at".to_owned()));
    }
    if tty && !terminal::stdin_is_terminal() {
        return Err(Error::Argument(
            "-t needs a terminal, and standard input is none: leave it out".to_owned(),
        ));
    }
    Ok(())
}

/// Connects to `url` and moves bytes until the command has ended or was left by its keys; the command's status.
///
/// # Errors
/// The streaming server's; a command that couldn't be started; our own streams.
pub async fn stream(carrier: Carrier, url: &str, stdin: bool, tty: bool) -> Result<Status, Error> {
    let wanted = RemoteCommand { stdin, stdout: true, stderr: !tty, tty };
    tracing::debug!(url, ?carrier, "streaming");
    let mut session = carrier.connector().remote_command(&address(url), wanted).await?;
    // Caught before the terminal is raw: whatever ends us leaves it as it was.
    let mut signals = Signals::catch(tty).map_err(of_terminal("cannot catch signals"))?;
    let raw = tty.then(|| RawMode::enter(io::stdin())).transpose();
    let raw = raw.map_err(of_terminal("cannot put the terminal into raw mode"))?;
    let (stdout, stderr) = (session.stdout.take(), session.stderr.take());
    let (sink, resizer) = (session.stdin.take(), session.resizer.take());
    let output = async {
        let ended = async { session.outcome().await.map_err(Error::from) };
        let out = copy(stdout, io::stdout());
        let err = copy(stderr, io::stderr());
        tokio::try_join!(out, err, ended).map(|((), (), outcome)| outcome)
    };
    let left = tokio::select! {
        // What the command says at its end counts more than what is typed or signalled then.
        biased;
        outcome = output => outcome.map(Left::Ended),
        left = typed(sink, tty) => left,
        left = watched(&mut signals, resizer) => left,
    };
    drop(raw);
    match left? {
        Left::Ended(Outcome::Success) | Left::Detached => Ok(0),
        // 0 to 255 of any Linux process.
        Left::Ended(Outcome::Exited(code)) => Ok(u8::try_from(code).unwrap_or(u8::MAX)),
        Left::Ended(Outcome::Failed(reason)) => Err(Error::Argument(reason)),
        Left::Signalled(status) => Ok(status),
    }
}

enum Left {
    Ended(Outcome),
    Detached,
    Signalled(Status),
}

/// Everything that comes, as it comes.
async fn copy(from: Option<Reader>, mut to: impl Write) -> Result<(), Error> {
    let Some(mut from) = from else { return Ok(()) };
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await.map_err(ClientError::from)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&piece[..read])?;
        to.flush()?;
    }
}

/// Hands on what is typed, or read; ends only when the keys were typed that leave the command.
async fn typed(sink: Option<Writer>, tty: bool) -> Result<Left, Error> {
    let Some(mut sink) = sink else { return std::future::pending().await };
    let mut keys = match tty {
        true => Some(Keys::parse(detach::DEFAULT).map_err(Error::Argument)?),
        false => None,
    };
    let mut input = Input::start();
    while let Some(bytes) = input.next().await {
        let bytes = match &mut keys {
            None => bytes,
            Some(keys) => match keys.take(&bytes) {
                Typed::Pass(bytes) => bytes,
                Typed::Detach(bytes) => {
                    sink.write_all(&bytes).await.ok();
                    return Ok(Left::Detached);
                }
            },
        };
        // A command that reads no more has ended, or will say why not.
        if sink.write_all(&bytes).await.is_err() {
            return std::future::pending().await;
        }
        sink.flush().await.ok();
    }
    if let Some(keys) = &mut keys {
        sink.write_all(&keys.rest()).await.ok();
    }
    sink.shutdown().await.ok();
    std::future::pending().await
}

/// Tells the size of our terminal, now and when it changes; ends only by a signal that would have ended us.
async fn watched(signals: &mut Signals, mut resizer: Option<Resizer>) -> Result<Left, Error> {
    loop {
        if let (Some(resizer), Some(size)) = (&mut resizer, terminal::size()) {
            let size = TerminalSize { width: size.columns, height: size.rows };
            // The outcome says it if the connection is gone.
            resizer.resize(size).await.ok();
        }
        if let Some(number) = signals.next().await {
            return Ok(Left::Signalled(128 + number));
        }
    }
}

fn of_terminal(action: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Terminal { action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cri-tools' `cmd/crictl/exec.go`: an address without a host is kubelet's.
    #[test]
    fn an_address_without_a_host_is_kubelets() {
        assert_eq!(address("/exec/abc"), "http://127.0.0.1:10250/exec/abc");
        assert_eq!(address("http://[::1]:7/exec/abc"), "http://[::1]:7/exec/abc");
    }

    #[test]
    fn a_terminal_is_typed_at() {
        assert!(require_terminal(false, true).is_err());
        assert!(require_terminal(false, false).is_ok());
        assert!(require_terminal(true, false).is_ok());
    }
}

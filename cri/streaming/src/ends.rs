//! The ends of a session's streams, whatever carries them.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::size::TerminalSize;

/// What can be read: ends where the other side has ended it; a connection that is lost is an error.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;
pub(crate) type BoxWriter = Box<dyn AsyncWrite + Send + Unpin>;

/// What carries a forwarded connection: read and written, and either direction may end before the other.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// How long a forwarded connection goes on after its target has ended it. socat and containerd wait as long.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Carries a forwarded connection to its target and back. A client that ends its direction still gets all that the target
/// says; a target that ends its own ends the connection soon after, as some clients have no word for their end.
///
/// # Errors
///
/// Either side broke.
pub async fn carry(
    client: impl AsyncRead + AsyncWrite + Unpin,
    target: impl AsyncRead + AsyncWrite + Unpin,
) -> io::Result<()> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_target, mut to_target) = tokio::io::split(target);
    let mut asking = pin!(async {
        tokio::io::copy(&mut from_client, &mut to_target).await?;
        to_target.shutdown().await
    });
    let mut answering = pin!(async {
        tokio::io::copy(&mut from_target, &mut to_client).await?;
        to_client.shutdown().await
    });
    tokio::select! {
        asked = &mut asking => {
            asked?;
            answering.await
        }
        answered = &mut answering => {
            answered?;
            // Late words to a target that listens no more are lost, and no failure.
            let _ = timeout(LAST_WORDS, asking).await;
            Ok(())
        }
    }
}

/// What can be written. `shutdown`, or dropping it, ends the stream after what was written.
pub struct Writer {
    inner: Option<BoxWriter>,
    /// Whoever ends what was only dropped.
    back: Option<mpsc::UnboundedSender<BoxWriter>>,
}

impl Writer {
    pub(crate) fn new(inner: BoxWriter, back: Option<mpsc::UnboundedSender<BoxWriter>>) -> Self {
        Self { inner: Some(inner), back }
    }

    fn inner(&mut self) -> io::Result<Pin<&mut BoxWriter>> {
        self.inner.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_shutdown(cx)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let (Some(inner), Some(back)) = (self.inner.take(), &self.back) {
            let _ = back.send(inner);
        }
    }
}

/// The sizes a terminal is to have.
pub struct Resizes(watch::Receiver<Option<TerminalSize>>);

impl Resizes {
    pub(crate) fn new(newest: watch::Receiver<Option<TerminalSize>>) -> Self {
        Self(newest)
    }

    /// The newest size that wasn't given yet; waits for one. None when no more come.
    pub async fn next(&mut self) -> Option<TerminalSize> {
        loop {
            self.0.changed().await.ok()?;
            if let Some(size) = *self.0.borrow_and_update() {
                return Some(size);
            }
        }
    }
}

/// What a runtime gets for a command or an attachment: of stdin, stdout and stderr those that were asked for.
pub struct Streams {
    /// What the client types.
    pub stdin: Option<Reader>,
    /// What it sees; the terminal's output if there is one.
    pub stdout: Option<Writer>,
    /// What it sees beside; never with a terminal.
    pub stderr: Option<Writer>,
    /// The terminal's sizes: none come without a terminal.
    pub resizes: Resizes,
    /// Whether there is to be a terminal.
    pub tty: bool,
}

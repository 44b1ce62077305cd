//! A stream of bytes in a WebSocket's binary messages, cut anywhere: how newer clients have SPDY carried
//! (`k8s.io/client-go/tools/portforward/tunneling_connection.go`).

use std::io;
use std::time::Duration;

use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::socket::{NORMAL, Sink, Source};
use super::{Event, Opcode, Role};

/// Bytes on their way in either direction, and in one message.
const BUFFER: usize = 32 * 1024;
/// How long the other end may take to close after this one has.
const LINGER: Duration = Duration::from_secs(5);

/// The bytes inside. The task that carries them ends with either end.
pub(crate) fn tunnel<T>(io: T, role: Role) -> DuplexStream
where
    T: AsyncRead + AsyncWrite + Send + 'static,
{
    let (near, far) = tokio::io::duplex(BUFFER);
    tokio::spawn(carry(io, role, far));
    near
}

async fn carry<T: AsyncRead + AsyncWrite>(io: T, role: Role, inside: DuplexStream) {
    let (input, out) = tokio::io::split(io);
    let (mut source, mut sink) = (Source::new(input, role), Sink::new(out, role));
    let (from_inside, mut to_inside) = tokio::io::split(inside);
    // Of pings that come faster than they are answered the others count as well.
    let (pings, pongs) = mpsc::channel(4);
    tokio::select! {
        _ = inward(&mut source, &mut to_inside, pings) => {}
        _ = outward(&mut sink, from_inside, pongs) => {}
    }
    let _ = to_inside.shutdown().await;
    if timeout(LINGER, sink.close(NORMAL)).await.is_ok() {
        let _ = timeout(LINGER, source.drain()).await;
    }
}

async fn inward<R: AsyncRead + Unpin>(
    source: &mut Source<R>,
    inside: &mut WriteHalf<DuplexStream>,
    pings: mpsc::Sender<bytes::Bytes>,
) -> io::Result<()> {
    while let Some(event) = source.next().await? {
        match event {
            Event::Data { binary: true, data, .. } => inside.write_all(&data).await?,
            Event::Data { .. } => return Err(io::ErrorKind::InvalidData.into()),
            Event::Ping(data) => drop(pings.try_send(data)),
            Event::Pong => {}
            Event::Close(_) => break,
        }
    }
    Ok(())
}

async fn outward<W: AsyncWrite + Unpin>(
    sink: &mut Sink<W>,
    mut inside: ReadHalf<DuplexStream>,
    mut pongs: mpsc::Receiver<bytes::Bytes>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        tokio::select! {
            Some(data) = pongs.recv() => sink.pong(&data).await?,
            read = inside.read(&mut buffer) => match read? {
                0 => return Ok(()),
                read => sink.message(Opcode::Binary, &[&buffer[..read]]).await?,
            },
        }
    }
}

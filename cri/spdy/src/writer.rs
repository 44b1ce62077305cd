//! The writing side of a connection: control frames first, then data in the order streams gave it.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::encode::Encoder;
use crate::frame::{Control, GoAwayStatus};
use crate::table::{Outgoing, Shared};

/// As many bytes are written at once, if there are as many.
const BATCH: usize = 64 * 1024;

pub(crate) struct Writer<W> {
    pub out: W,
    pub control: mpsc::UnboundedReceiver<Control>,
    pub data: mpsc::Receiver<Outgoing>,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Writes until the connection is closed from here, or nobody holds anything of it; then the peer is told.
    pub async fn run(&mut self, shared: &Shared) -> io::Result<()> {
        let mut encoder = Encoder::default();
        let mut batch = BytesMut::with_capacity(BATCH);
        loop {
            let mut open = tokio::select! {
                biased;
                Some(frame) = self.control.recv() => control(&mut encoder, frame, &mut batch, shared),
                item = self.data.recv() => data(&mut encoder, item, &mut batch, shared),
            };
            while open && batch.len() < BATCH {
                if let Ok(frame) = self.control.try_recv() {
                    open = control(&mut encoder, frame, &mut batch, shared);
                } else if let Ok(item) = self.data.try_recv() {
                    open = data(&mut encoder, Some(item), &mut batch, shared);
                } else {
                    break;
                }
            }
            if !open {
                encoder.control(&shared.go_away(GoAwayStatus::OK), &mut batch);
            }
            self.write(&batch, shared).await?;
            if !open {
                return Ok(());
            }
            if batch.capacity() > 2 * BATCH {
                batch = BytesMut::with_capacity(BATCH);
            }
            batch.clear();
        }
    }

    async fn write(&mut self, batch: &[u8], shared: &Shared) -> io::Result<()> {
        self.out.write_all(batch).await?;
        self.out.flush().await?;
        shared.touch();
        Ok(())
    }

    /// Says why, as far as the peer still takes it.
    pub async fn go_away(&mut self, status: GoAwayStatus, shared: &Shared) -> io::Result<()> {
        let mut batch = BytesMut::new();
        Encoder::default().control(&shared.go_away(status), &mut batch);
        self.write(&batch, shared).await
    }
}

fn control(encoder: &mut Encoder, frame: Control, batch: &mut BytesMut, shared: &Shared) -> bool {
    encoder.control(&frame, batch);
    shared.sent();
    true
}

/// Whether the connection goes on.
fn data(
    encoder: &mut Encoder,
    item: Option<Outgoing>,
    batch: &mut BytesMut,
    shared: &Shared,
) -> bool {
    match item {
        None | Some(Outgoing::Close) => false,
        Some(Outgoing::Data { stream, data, fin }) => {
            let mut table = shared.table();
            if table.dequeue(stream) {
                encoder.data(stream, fin, &data, batch);
                if let Some(reset) = table.settle(stream) {
                    encoder.control(&reset, batch);
                }
            }
            true
        }
    }
}

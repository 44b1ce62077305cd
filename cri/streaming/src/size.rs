//! What goes over the resize channel: one JSON document after the other.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

/// A document is some forty bytes. What is longer is none.
const LONGEST: usize = 1024;

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl TerminalSize {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut line =
            format!(r#"{{"Width":{},"Height":{}}}"#, self.width, self.height).into_bytes();
        line.push(b'\n');
        line
    }
}

/// Reads sizes until the channel ends or has something else. Only the newest counts: a flood of them costs nothing.
pub(crate) async fn follow(
    mut channel: impl AsyncRead + Unpin,
    newest: &watch::Sender<Option<TerminalSize>>,
) {
    let mut buffer = Vec::new();
    let mut scratch = [0; LONGEST];
    while buffer.len() < LONGEST {
        let Ok(read @ 1..) = channel.read(&mut scratch).await else { return };
        buffer.extend_from_slice(&scratch[..read]);
        let mut documents =
            serde_json::Deserializer::from_slice(&buffer).into_iter::<TerminalSize>();
        for document in documents.by_ref() {
            match document {
                Ok(size) => {
                    newest.send_replace(Some(size));
                }
                Err(error) if error.is_eof() => break,
                Err(_) => return,
            }
        }
        let used = documents.byte_offset();
        buffer.drain(..used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sizes_come_in_any_pieces_and_the_newest_stays() {
        let (newest, seen) = watch::channel(None);
        let pieces =
            in_pieces(&[b"{\"Width\":80,\"Hei", b"ght\":24}\n{\"Width\":100,", b"\"Height\":50}"]);
        follow(pieces, &newest).await;
        assert_eq!(*seen.borrow(), Some(TerminalSize { width: 100, height: 50 }));
    }

    #[tokio::test]
    async fn what_is_no_size_ends_it_without_filling_memory() {
        let (newest, seen) = watch::channel(None);
        follow((&b"{\"Width"[..]).chain(tokio::io::repeat(b'a')), &newest).await;
        assert_eq!(*seen.borrow(), None);
    }

    fn in_pieces(pieces: &[&'static [u8]]) -> impl AsyncRead + Unpin {
        let (mut near, far) = tokio::io::duplex(8);
        let pieces: Vec<&'static [u8]> = pieces.to_vec();
        tokio::spawn(async move {
            for piece in pieces {
                tokio::io::AsyncWriteExt::write_all(&mut near, piece).await.unwrap();
            }
        });
        far
    }
}

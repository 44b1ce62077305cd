//! Standard input, read by a thread of its own: a read that nobody waits for any more can't be taken back, and must
//! not hold up the end of the program.

use std::io::{self, Read as _};
use std::thread;

use tokio::sync::mpsc;

/// How many pieces wait at most.
const PIECES: usize = 4;
/// How much is read at once, in bytes.
const PIECE: usize = 32 * 1024;

/// See the module.
pub struct Input(mpsc::Receiver<Vec<u8>>);

impl Input {
    /// Starts reading.
    pub fn start() -> Self {
        let (sender, receiver) = mpsc::channel(PIECES);
        thread::spawn(move || {
            let mut piece = vec![0; PIECE];
            loop {
                match io::stdin().lock().read(&mut piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => return,
                    Ok(read) => {
                        if sender.blocking_send(piece[..read].to_vec()).is_err() {
                            return;
                        }
                    }
                }
            }
        });
        Self(receiver)
    }

    /// What was read next; nothing at the end.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        self.0.recv().await
    }
}

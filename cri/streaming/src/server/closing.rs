//! The end of a session's connection: what was written gets out, but nobody waits forever for a client that doesn't read.

use std::time::Duration;

use isopod_spdy::Connection;
use tokio::time::timeout;

/// How long what was written last may take to get out.
pub(crate) const FLUSH: Duration = Duration::from_secs(60);

/// A connection that doesn't outlive its session.
pub(crate) struct Closing(pub Connection);

impl Closing {
    /// Lets out what was written, and waits for the client to go.
    pub async fn finish(self) {
        let _ = timeout(FLUSH, async {
            self.0.close().await;
            self.0.closed().await;
        })
        .await;
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! How much of this process a peer may use up.

use std::time::Duration;

/// What one connection may hold. The defaults are far above what Kubernetes' clients need.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a control frame's payload, header blocks as they come over the wire.
    pub control_frame: usize,
    /// Bytes of a header block after inflation.
    pub header_block: usize,
    /// Names in one header block.
    pub headers: usize,
    /// Streams that are open at a time, ours and the peer's together.
    pub streams: usize,
    /// Streams the peer has opened that nobody has taken yet.
    pub backlog: usize,
    /// Pieces of data that wait in one stream, each up to 16 KiB.
    pub stream_pieces: usize,
    /// Bytes that wait in all streams of the connection together.
    pub connection_bytes: usize,
    /// Answers (to pings, resets) that wait because the peer doesn't read, besides two a stream: beyond, it is cut off.
    pub answers: usize,
    /// How long a stream of ours may wait for its reply. Go's clients wait as long.
    pub reply: Duration,
    /// After how long without a frame in either direction the connection ends; none: never.
    pub idle: Option<Duration>,
    /// How long a connection that has ended here may still be read from, so that the peer gets what was written last.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            control_frame: 16 * 1024,
            header_block: 32 * 1024,
            headers: 64,
            streams: 2048,
            backlog: 256,
            stream_pieces: 8,
            connection_bytes: 2 * 1024 * 1024,
            answers: 1024,
            reply: Duration::from_secs(30),
            idle: None,
            linger: Duration::from_secs(5),
        }
    }
}

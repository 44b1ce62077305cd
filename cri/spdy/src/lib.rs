//! SPDY/3.1 as Kubernetes uses it for exec, attach and port-forward: the frames, and a connection of many streams over
//! anything that reads and writes, for both ends.
//!
//! Written against draft 3 of the protocol with the changes of 3.1, and against what the only implementation in that
//! world (Go's spdystream: kubectl, kubelet, containerd, the API server) does of it: it never sends SETTINGS or
//! WINDOW_UPDATE and takes no notice of those it gets, so what holds a sender back is the connection itself. Here too:
//! a stream that nobody reads holds what its [`Limits`] allow, then the whole connection waits.
//!
//! | where | what |
//! |---|---|
//! | `frame`, `decode`, `encode` | bytes to frames and back, without any input or output |
//! | `headers`, `compress`, `dictionary` | the name/value blocks and their compression |
//! | `connection`, `reader`, `writer`, `table` | one connection: who may open what, where frames go |
//! | `stream` | one stream, an `AsyncRead` and `AsyncWrite` |

mod compress;
mod connection;
mod decode;
mod dictionary;
mod encode;
mod error;
mod frame;
mod headers;
mod limits;
mod reader;
mod stream;
mod table;
mod writer;

pub use compress::{Deflater, Inflater};
pub use connection::{Connection, Incoming, Opened};
pub use decode::{Decoder, Event};
pub use encode::Encoder;
pub use error::{Error, FrameError};
pub use frame::{Control, GoAwayStatus, ResetStatus, Setting, StreamId};
pub use headers::Headers;
pub use limits::Limits;
pub use stream::{ReadHalf, Stream, WriteHalf};

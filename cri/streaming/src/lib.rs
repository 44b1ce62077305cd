//! Exec, attach and port-forward as the Container Runtime Interface has them: gRPC answers with an address, and the
//! streams go over an HTTP connection that is upgraded to SPDY/3.1 or a WebSocket.
//!
//! [`Server`] is the runtime's end (what the kubelet, or crictl, connects to), [`client`] the other. Both speak what
//! Kubernetes speaks; `docs/streaming.md` has the table of protocols. What runs in the containers is behind [`Runtime`].
//!
//! | where | what |
//! |---|---|
//! | `protocol`, `status`, `size` | names, and what goes over the error and resize channels |
//! | `ends` | the ends of streams as a runtime gets them |
//! | `server` | listening, tokens, handshakes, and what is done with the streams |
//! | `websocket` | frames, channels in messages, SPDY tunnelled in messages |
//! | `client` | both transports from the other side |

mod ends;
mod protocol;
mod size;
mod status;

pub mod client;
pub mod server;
pub mod websocket;

pub use ends::{Duplex, Reader, Resizes, Streams, Writer, carry};
pub use server::{Config, Runtime, Server, Streaming};
pub use size::TerminalSize;
pub use status::Outcome;

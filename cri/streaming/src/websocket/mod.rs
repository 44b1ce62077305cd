//! WebSocket (RFC 6455) as far as Kubernetes' streams need it. Messages are never held as a whole: a client may send all
//! of a file as one message (Python's does), and what it costs here is a piece of it.

mod channels;
mod frame;
mod handshake;
mod socket;
mod tunnel;

pub(crate) use channels::{Channel, Multiplexed};
pub use frame::{Decoder, Event, FrameError, Role};
pub(crate) use frame::{Opcode, encode};
pub(crate) use handshake::{accept_for, new_key};
pub(crate) use tunnel::tunnel;

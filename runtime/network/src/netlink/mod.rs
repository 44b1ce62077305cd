//! Netlink: messages and attributes, and a socket that sends several and matches the answers. Nothing
//! here knows what the messages mean.

mod message;
mod socket;

pub use message::{Message, attributes, be16, be32, find, native32, text};
pub use socket::{Answer, Family, Refused, Reply, Socket, pieces};

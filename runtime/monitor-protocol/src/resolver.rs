//! `resolver.json`: what the name server in a container's network namespace answers.
//!
//! Written by whoever starts, connects or disconnects the container; the monitor reads it again
//! when it was replaced. The names of a network's containers lie in a file of the network's own, so that a
//! container that comes or goes changes one file and not one for each neighbour.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a container's name server knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// [`crate::VERSION`] of the writer.
    pub version: u32,
    /// The `names` files of its networks: a line for each container's address, `ADDRESS NAME…`, as in
    /// hosts(5). A name on several lines has several addresses; the first name of a line is what its
    /// address is called (PTR). Where networks know the same name, the first of them answers. Read again
    /// when replaced.
    pub networks: Vec<PathBuf>,
    /// Who is asked for everything else, from the host's network namespace, at most the first
    /// three; empty: the servers of `host_config`, read again when it changes.
    pub servers: Vec<IpAddr>,
    /// The host's resolv.conf.
    pub host_config: PathBuf,
    /// Whether nothing else may be asked for (only internal networks).
    pub is_isolated: bool,
}

//! What does not stop a network from being made, and may stop its traffic.

use std::fmt;

/// Something of the host's that its owner should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Another firewall's chain drops what is forwarded, and can't be asked for an exception by us.
    Firewall {
        /// As in `inet firewalld`; `iptables-legacy filter`.
        table: String,
        /// Its chain on the forward hook.
        chain: String,
        /// The device whose traffic it may drop.
        device: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Firewall { table, chain, device } => write!(
                f,
                "another firewall (table {table}, chain {chain}) may drop the traffic of {device}: \
                 let it accept what is forwarded from and to that device"
            ),
        }
    }
}

//! Which addresses an answer may send us to, and the look-up of names that holds it.
//!
//! A registry chooses the place of its token server and of its blobs. Without a limit it could
//! make us ask a service that trusts this machine: something on loopback, or a cloud's metadata
//! on a link-local address. The limit is held where a name becomes addresses, so that a name
//! which resolves to such an address is refused as well, at whatever moment it does.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::names::SystemNames;

/// How far away an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// This machine.
    Loopback,
    /// The wire this machine hangs on.
    LinkLocal,
    /// Everything else.
    Elsewhere,
}

impl Reach {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => {
                // `::ffff:a.b.c.d` is IPv4; `64:ff9b::a.b.c.d` is IPv4 behind NAT64.
                let segments = address.segments();
                let embedded = address.to_ipv4_mapped().or_else(|| {
                    (segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0]).then(|| {
                        let [a, b] = segments[6].to_be_bytes();
                        let [c, d] = segments[7].to_be_bytes();
                        Ipv4Addr::new(a, b, c, d)
                    })
                });
                if let Some(address) = embedded {
                    return Self::of_v4(address);
                }
                if address.is_loopback() || address.is_unspecified() {
                    Self::Loopback
                } else if address.is_unicast_link_local() {
                    Self::LinkLocal
                } else {
                    Self::Elsewhere
                }
            }
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        // Linux takes a connection to 0.0.0.0/8's first address to this machine.
        if address.is_loopback() || address.octets()[0] == 0 {
            Self::Loopback
        } else if address.is_link_local() {
            Self::LinkLocal
        } else {
            Self::Elsewhere
        }
    }

    /// Whether an answer that came from `self` may send us to `target`.
    pub(crate) fn may_send_to(self, target: Self) -> bool {
        target == Self::Elsewhere || self == target
    }
}

/// Tells the [`Reach`] of an address; tests give one where all is on loopback.
pub(crate) type Classify = fn(IpAddr) -> Reach;

/// Where an answer may send us is where [`Reach::may_send_to`] allows from here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard {
    pub(crate) from: Reach,
    pub(crate) classify: Classify,
}

impl Guard {
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        self.from.may_send_to((self.classify)(address))
    }
}

/// A name has only addresses where we do not let ourselves be sent.
#[derive(Debug, thiserror::Error)]
#[error("{0} is on loopback or link-local")]
pub(crate) struct Forbidden(pub(crate) String);

/// Resolves names, and with a guard drops the addresses it forbids.
#[derive(Clone)]
pub(crate) struct Resolver {
    /// Takes the place of the system's names.
    pub(crate) inner: Option<Arc<dyn Resolve>>,
    pub(crate) system: Arc<SystemNames>,
    pub(crate) guard: Option<Guard>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard;
        let host = name.as_str().to_owned();
        let inner = self.inner.clone();
        let system = Arc::clone(&self.system);
        Box::pin(async move {
            let found: Vec<SocketAddr> = match inner {
                Some(inner) => inner.resolve(name).await?.collect(),
                None => system.lookup(&host).await?,
            };
            let Some(guard) = guard else { return Ok(Box::new(found.into_iter()) as Addrs) };
            let allowed: Vec<_> = found.into_iter().filter(|at| guard.allows(at.ip())).collect();
            if allowed.is_empty() {
                return Err(Forbidden(host).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_and_its_wire_are_told_from_others() {
        for (text, reach) in [
            ("127.0.0.1", Reach::Loopback),
            ("127.8.9.1", Reach::Loopback),
            ("0.0.0.0", Reach::Loopback),
            ("::1", Reach::Loopback),
            ("::", Reach::Loopback),
            ("::ffff:127.0.0.1", Reach::Loopback),
            ("64:ff9b::7f00:1", Reach::Loopback),
            ("169.254.169.254", Reach::LinkLocal),
            ("fe80::1", Reach::LinkLocal),
            ("::ffff:169.254.169.254", Reach::LinkLocal),
            ("64:ff9b::a9fe:a9fe", Reach::LinkLocal),
            ("10.0.0.1", Reach::Elsewhere),
            ("192.0.2.1", Reach::Elsewhere),
            ("2001:db8::1", Reach::Elsewhere),
        ] {
            assert_eq!(Reach::of(text.parse().unwrap()), reach, "{text}");
        }
    }

    #[test]
    fn an_answer_may_lead_elsewhere_or_to_its_own_kind_only() {
        use Reach::{Elsewhere, LinkLocal, Loopback};
        for from in [Elsewhere, LinkLocal, Loopback] {
            assert!(from.may_send_to(Elsewhere));
            assert!(from.may_send_to(from));
        }
        assert!(!Elsewhere.may_send_to(Loopback));
        assert!(!Elsewhere.may_send_to(LinkLocal));
        assert!(!Loopback.may_send_to(LinkLocal));
        assert!(!LinkLocal.may_send_to(Loopback));
    }
}

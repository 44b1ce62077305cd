//! The names of the protocols, and how two ends agree on one (`k8s.io/apimachinery/pkg/util/httpstream`,
//! `…/util/remotecommand` and `…/httpstream/wsstream`).

use hyper::HeaderMap;
use hyper::header::HeaderName;

/// What an upgraded connection without WebSocket speaks.
pub(crate) const SPDY: &str = "SPDY/3.1";
/// What a client offers, and what the server has chosen.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("x-stream-protocol-version");
/// What the server would have taken, in a refusal.
pub(crate) const ACCEPTED: HeaderName =
    HeaderName::from_static("x-accepted-stream-protocol-versions");

/// Port-forward over SPDY.
pub(crate) const PORT_FORWARD: &str = "portforward.k8s.io";
/// The same, with its SPDY frames in a WebSocket's messages.
pub(crate) const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

/// The headers of streams.
pub(crate) const STREAM_TYPE: &str = "streamtype";
pub(crate) const PORT: &str = "port";
pub(crate) const REQUEST_ID: &str = "requestid";

/// How exec and attach are spoken. Each version has what the one before has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// Errors in plain text.
    V1,
    /// Standard input ends by half a close.
    V2,
    /// Terminals are resized.
    V3,
    /// The outcome is a `Status` in JSON.
    V4,
    /// A WebSocket's channels are closed one by one. Over SPDY the same as the fourth.
    V5,
}

impl Version {
    /// The versions over SPDY, best first.
    pub const OVER_SPDY: [(&str, Self); 5] = [
        ("v5.channel.k8s.io", Self::V5),
        ("v4.channel.k8s.io", Self::V4),
        ("v3.channel.k8s.io", Self::V3),
        ("v2.channel.k8s.io", Self::V2),
        ("channel.k8s.io", Self::V1),
    ];
}

/// How channels are told apart in a WebSocket's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Channels {
    pub version: Version,
    /// Text with base64 instead of bytes.
    pub base64: bool,
}

impl Channels {
    const fn new(version: Version, base64: bool) -> Self {
        Self { version, base64 }
    }

    /// What exec and attach take. Without any word of it the first version, as Go's server has it.
    pub const REMOTE_COMMAND: [(&str, Self); 6] = [
        ("v5.channel.k8s.io", Self::new(Version::V5, false)),
        ("v4.channel.k8s.io", Self::new(Version::V4, false)),
        ("v4.base64.channel.k8s.io", Self::new(Version::V4, true)),
        ("channel.k8s.io", Self::new(Version::V1, false)),
        ("base64.channel.k8s.io", Self::new(Version::V1, true)),
        ("", Self::new(Version::V1, false)),
    ];

    /// What port-forward takes besides the tunnel.
    pub const PORT_FORWARD: [(&str, Self); 3] = [
        ("v4.channel.k8s.io", Self::new(Version::V4, false)),
        ("v4.base64.channel.k8s.io", Self::new(Version::V4, true)),
        ("", Self::new(Version::V4, false)),
    ];
}

/// All values of a header, which may be in several lines and separated by commas.
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .collect()
}

/// The first of what a client offers that the server has.
pub(crate) fn choose<T: Copy>(
    offered: &[&str],
    known: &[(&'static str, T)],
) -> Option<(&'static str, T)> {
    offered.iter().find_map(|name| known.iter().find(|(known, _)| known == name).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_order_counts() {
        let mut headers = HeaderMap::new();
        headers.append(VERSION, "v9.channel.k8s.io, v2.channel.k8s.io".parse().unwrap());
        headers.append(VERSION, "v4.channel.k8s.io,".parse().unwrap());
        let offered = values(&headers, &VERSION);
        assert_eq!(offered, ["v9.channel.k8s.io", "v2.channel.k8s.io", "v4.channel.k8s.io"]);
        let chosen = choose(&offered, &Version::OVER_SPDY);
        assert_eq!(chosen, Some(("v2.channel.k8s.io", Version::V2)));
        assert_eq!(choose(&["v9.channel.k8s.io"], &Version::OVER_SPDY), None);
    }
}

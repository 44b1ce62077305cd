//! A stage for tests on a real kernel: a network namespace that plays the host, one that plays the world
//! on the host's wire, and containers' namespaces. All go with the descriptors that keep them.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::Duration;

use isopod_network::{
    Driver, Endpoint, Host, Network, PortMap, Protocol, Subnet, Warning, namespace,
};
use serde_json::Value;

/// How long something that must not arrive is waited for; what must arrive has far longer.
pub const SILENCE: Duration = Duration::from_millis(700);
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The host's address on the wire, and the world's.
pub const HOST: &str = "192.0.2.1";
pub const WORLD: &str = "192.0.2.2";
pub const HOST6: &str = "2001:db8::1";
pub const WORLD6: &str = "2001:db8::2";

pub struct Stage {
    pub netns: OwnedFd,
    pub world: OwnedFd,
    pub host: Host,
}

/// Bridged packets pass the rules of routed ones, or they don't: hosts are of both kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bridged {
    Filtered,
    Free,
}

impl Stage {
    pub fn new() -> Self {
        Self::with(Bridged::Free)
    }

    pub fn with(bridged: Bridged) -> Self {
        let netns = namespace::create().unwrap();
        let world = namespace::create().unwrap();
        let stage = Self { netns, world, host: Host::open("").unwrap() };
        let value = if bridged == Bridged::Filtered { "1" } else { "0" };
        stage.within(|| {
            for name in ["iptables", "ip6tables"] {
                let path = format!("/proc/sys/net/bridge/bridge-nf-call-{name}");
                std::fs::write(path, value).unwrap();
            }
            let pid_of_world = sleeper(&stage.world);
            run(&format!("ip link add up0 type veth peer name w0 netns {}", pid_of_world.id()));
            run(&format!("ip addr add {HOST}/24 dev up0"));
            run(&format!("ip addr add {HOST6}/64 dev up0 nodad"));
            run("ip link set up0 addrgenmode none up");
        });
        inside(&stage.world, || {
            run(&format!("ip addr add {WORLD}/24 dev w0"));
            run(&format!("ip addr add {WORLD6}/64 dev w0 nodad"));
            run("ip link set w0 addrgenmode none up");
            // It knows the way to containers, as a neighbour with bad intentions does.
            run(&format!("ip route add default via {HOST}"));
            run(&format!("ip route add default via {HOST6}"));
        });
        stage
    }

    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.netns, work)
    }

    pub fn ensure(&self, network: &Network) -> Vec<Warning> {
        self.within(|| self.host.ensure_network(network)).unwrap()
    }

    pub fn publish(&self, ports: &[PortMap]) {
        self.within(|| self.host.publish(ports)).unwrap();
    }

    /// A container with the `nth` address of a network.
    pub fn container(&self, network: &Network, nth: u8) -> OwnedFd {
        let netns = namespace::create().unwrap();
        let endpoint = endpoint(network, nth);
        self.within(|| self.host.connect(network, netns.as_fd(), &endpoint)).unwrap();
        netns
    }

    /// The host's devices with what of them does not change by itself: name, hardware address, size,
    /// addresses.
    pub fn devices(&self) -> Vec<String> {
        let told = self.within(|| json("ip -j addr"));
        let all = told.as_array().unwrap().iter();
        all.map(|link| {
            let addresses = link["addr_info"].as_array().unwrap().iter();
            let addresses: Vec<_> = addresses.map(|a| a["local"].as_str().unwrap()).collect();
            let [name, mac, mtu] = ["ifname", "address", "mtu"].map(|key| &link[key]);
            format!("{name} {mac} {mtu} {addresses:?}")
        })
        .collect()
    }

    pub fn nft(&self) -> Value {
        self.within(|| json("nft -j list ruleset"))
    }
}

/// A process in a namespace, for `ip`, which knows namespaces by process.
struct Sleeper(std::process::Child);

impl Sleeper {
    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sleeper(netns: &OwnedFd) -> Sleeper {
    Sleeper(inside(netns, || Command::new("sleep").arg("60").spawn().unwrap()))
}

pub fn inside<T: Send>(netns: &OwnedFd, work: impl FnOnce() -> T + Send) -> T {
    namespace::within(netns.as_fd(), work).unwrap()
}

/// Runs a command line of words and expects it to succeed; returns what it says.
pub fn run(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(
        output.status.success(),
        "{line}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub fn json(line: &str) -> Value {
    let output = run(line);
    serde_json::from_str(&output).unwrap_or_else(|e| panic!("{line}: {e}: {output}"))
}

/// Gives `nft` a file.
pub fn nft(rules: &str) {
    let mut child =
        Command::new("nft").args(["-f", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{rules}");
}

/// A bridge network 10.`nth`.0.0/24 and fd00:`nth`::/64.
pub fn bridge(nth: u8) -> Network {
    Network {
        id: format!("{nth:064x}"),
        driver: Driver::Bridge {
            device: format!("br{nth}"),
            masquerade: true,
            inter_container: true,
        },
        ipv4: Some(Subnet {
            network: Ipv4Addr::new(10, nth, 0, 0),
            prefix: 24,
            gateway: Some(Ipv4Addr::new(10, nth, 0, 1)),
        }),
        ipv6: Some(Subnet {
            network: Ipv6Addr::new(0xfd00, nth.into(), 0, 0, 0, 0, 0, 0),
            prefix: 64,
            gateway: Some(Ipv6Addr::new(0xfd00, nth.into(), 0, 0, 0, 0, 0, 1)),
        }),
        internal: false,
        mtu: None,
    }
}

pub fn endpoint(network: &Network, nth: u8) -> Endpoint {
    let ip = network.ipv4.map(|s| {
        let [a, b, c, _] = s.network.octets();
        Ipv4Addr::new(a, b, c, nth)
    });
    let ip6 = network.ipv6.map(|s| {
        let mut octets = s.network.octets();
        octets[15] = nth;
        Ipv6Addr::from(octets)
    });
    let network_byte = ip.map_or(0, |ip| ip.octets()[1]);
    Endpoint {
        tag: format!("{network_byte:02x}{nth:02x}"),
        device: "eth0".to_owned(),
        mac: None,
        ip,
        ip6,
        is_default: true,
    }
}

/// `tcp` or `udp`, the host's end, the container's end.
pub fn port(protocol: Protocol, host: &str, target: &str) -> PortMap {
    PortMap { protocol, host: host.parse().unwrap(), target: target.parse().unwrap() }
}

pub fn tcp(host: &str, target: &str) -> PortMap {
    port(Protocol::Tcp, host, target)
}

pub fn udp(host: &str, target: &str) -> PortMap {
    port(Protocol::Udp, host, target)
}

/// A server in a namespace which tells each client its address as the server sees it, with a name.
pub fn serve(netns: &OwnedFd, address: &str, name: &'static str) {
    let address: SocketAddr = address.parse().unwrap();
    let listener = inside(netns, || TcpListener::bind(address)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let peer = stream.peer_addr().unwrap().ip();
            let _ = stream.write_all(format!("{name} {peer}").as_bytes());
        }
    });
}

/// The same by datagrams.
pub fn serve_udp(netns: &OwnedFd, address: &str, name: &'static str) {
    let address: SocketAddr = address.parse().unwrap();
    let socket = inside(netns, || UdpSocket::bind(address)).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(format!("{name} {}", peer.ip()).as_bytes(), peer);
        }
    });
}

/// What a server tells; `None`: nothing came, or a refusal.
pub fn ask(netns: &OwnedFd, address: &str, patience: Duration) -> Option<String> {
    let address: SocketAddr = address.parse().unwrap();
    inside(netns, || {
        let mut stream = TcpStream::connect_timeout(&address, patience).ok()?;
        stream.set_read_timeout(Some(patience)).unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).ok()?;
        Some(told)
    })
}

/// Asks a server that must answer.
#[track_caller]
pub fn told(netns: &OwnedFd, address: &str) -> String {
    ask(netns, address, PATIENCE).unwrap_or_else(|| panic!("{address} does not answer"))
}

/// Asks a server that must not.
#[track_caller]
pub fn is_silent(netns: &OwnedFd, address: &str) {
    assert_eq!(ask(netns, address, SILENCE), None, "{address} answers");
}

/// Asks a server of datagrams from a socket.
pub fn ask_udp(socket: &UdpSocket, address: &str, patience: Duration) -> Option<String> {
    let address: SocketAddr = address.parse().unwrap();
    let deadline = std::time::Instant::now() + patience;
    let mut buffer = [0; 64];
    // Datagrams get lost, and a refusal of the last one is told to the next.
    while std::time::Instant::now() < deadline {
        let _ = socket.send_to(b"?", address);
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        if let Ok((size, _)) = socket.recv_from(&mut buffer) {
            return Some(String::from_utf8_lossy(&buffer[..size]).into_owned());
        }
    }
    None
}

pub fn udp_socket(netns: &OwnedFd, address: &str) -> UdpSocket {
    let address: SocketAddr = address.parse().unwrap();
    inside(netns, || UdpSocket::bind(address)).unwrap()
}

/// An error and all that is behind it, as people are told.
pub fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

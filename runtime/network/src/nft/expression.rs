//! What a rule is made of: expressions that load into registers, compare, look up and decide
//! (`linux/netfilter/nf_tables.h`). A rule ends where an expression does not match.

use std::net::Ipv4Addr;

use crate::netlink::Message;

const NAME: u16 = 1;
const DATA: u16 = 2;
const LIST_ELEM: u16 = 1;
/// `NFTA_DATA_VALUE`.
pub(super) const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const REG_VERDICT: u32 = 0;
/// `NFT_REG32_00`: registers of four bytes are numbered from here.
const REG32: u32 = 8;

const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;
/// `IPS_DST_NAT`.
const STATUS_DNAT: u32 = 0x20;
const FIB_OIF: u32 = 1;
const FIB_ADDRTYPE: u32 = 3;
const FIB_SADDR: u32 = 1;
const FIB_DADDR: u32 = 2;
const FIB_IIF: u32 = 8;
const TYPE_LOCAL: u32 = 2;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
/// `NFT_PAYLOAD_CSUM_INET`: the sum of RFC 1071.
const CHECKSUM_INET: u32 = 1;

/// Connections of `NF_CT_STATE_BIT`s.
pub const ESTABLISHED: u32 = 2;
/// What belongs to another connection, such as its errors.
pub const RELATED: u32 = 4;
/// What belongs to none and begins none.
pub const INVALID: u32 = 1;

/// The families of packets, `NFPROTO_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ip {
    /// IPv4.
    V4 = 2,
    /// IPv6.
    V6 = 10,
}

impl Ip {
    const fn source(self) -> u32 {
        match self {
            Self::V4 => 12,
            Self::V6 => 8,
        }
    }

    const fn destination(self) -> u32 {
        match self {
            Self::V4 => 16,
            Self::V6 => 24,
        }
    }

    /// Bytes of an address.
    pub const fn size(self) -> u32 {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }
}

/// An end of a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

impl End {
    /// Where its port is in a header of UDP's or TCP's.
    const fn port(self) -> u32 {
        match self {
            Self::Source => 0,
            Self::Destination => 2,
        }
    }
}

/// What a name server is asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
}

impl Transport {
    const fn number(self) -> u8 {
        match self {
            Self::Udp => 17,
            Self::Tcp => 6,
        }
    }

    /// Where the checksum is in its header.
    const fn checksum(self) -> u32 {
        match self {
            Self::Udp => 6,
            Self::Tcp => 16,
        }
    }
}

/// What happens to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is gone.
    Drop = 0,
    /// This chain has nothing against it; the next one may.
    Accept = 1,
    /// This chain ends.
    Return = -5,
}

/// A register, by its place among those of four bytes.
type Register = u32;

/// One step of a rule.
#[derive(Debug, Clone)]
pub enum Expression {
    /// Loads something of the packet's way.
    Meta(u32, Register),
    /// Loads bytes of a header: base, offset, size.
    Payload(u32, u32, u32, Register),
    /// Loads bytes that are written here.
    Immediate(Register, Vec<u8>),
    /// Writes a register to a header and puts the checksum right: base, offset, size, offset of the checksum.
    Rewrite(u32, u32, u32, u32, Register),
    /// Loads something of the connection.
    Connection(u32, Register),
    /// Loads what kind of address the destination is.
    DestinationType(Register),
    /// Loads the device that leads back to the source, if that is the one it came by; 0 otherwise.
    WayBack(Register),
    /// Goes on if the register holds these bytes.
    Equal(Register, Vec<u8>),
    /// Goes on if the register does not.
    Differs(Register, Vec<u8>),
    /// Keeps the bits of a mask.
    And(Register, Vec<u8>),
    /// Goes on if the set has what begins at the register.
    Member(String, Register),
    /// Goes on if it has not.
    Stranger(String, Register),
    /// Loads what the map has for what begins at the first, at the second.
    Map(String, Register, Register),
    /// Changes the destination to address and port from two registers.
    Dnat(Ip, Register, Register),
    /// Changes the source to the address of the device on the way out.
    Masquerade,
    /// Counts.
    Counter,
    /// Ends.
    Verdict(Verdict),
}

impl Expression {
    fn name(&self) -> &'static str {
        match self {
            Self::Meta(..) => "meta",
            Self::Payload(..) | Self::Rewrite(..) => "payload",
            Self::Connection(..) => "ct",
            Self::DestinationType(..) | Self::WayBack(..) => "fib",
            Self::Equal(..) | Self::Differs(..) => "cmp",
            Self::And(..) => "bitwise",
            Self::Member(..) | Self::Stranger(..) | Self::Map(..) => "lookup",
            Self::Dnat(..) => "nat",
            Self::Masquerade => "masq",
            Self::Counter => "counter",
            Self::Verdict(..) | Self::Immediate(..) => "immediate",
        }
    }

    /// Adds it to the list of a rule.
    pub(super) fn write(&self, message: &mut Message) {
        message.nest(LIST_ELEM, |element| {
            element.text(NAME, self.name());
            element.nest(DATA, |data| self.write_data(data));
        });
    }

    fn write_data(&self, data: &mut Message) {
        match self {
            Self::Meta(key, register) | Self::Connection(key, register) => {
                data.be32(1, REG32 + register).be32(2, *key);
            }
            Self::Payload(base, offset, size, register) => {
                data.be32(1, REG32 + register).be32(2, *base).be32(3, *offset).be32(4, *size);
            }
            Self::Rewrite(base, offset, size, checksum, register) => {
                data.be32(5, REG32 + register).be32(2, *base).be32(3, *offset).be32(4, *size);
                data.be32(6, CHECKSUM_INET).be32(7, *checksum);
            }
            Self::Immediate(register, value) => {
                data.be32(1, REG32 + register);
                data.nest(2, |m| {
                    m.bytes(VALUE, value);
                });
            }
            Self::DestinationType(register) => {
                data.be32(1, REG32 + register).be32(2, FIB_ADDRTYPE).be32(3, FIB_DADDR);
            }
            Self::WayBack(register) => {
                data.be32(1, REG32 + register).be32(2, FIB_OIF).be32(3, FIB_SADDR | FIB_IIF);
            }
            Self::Equal(register, value) => write_comparison(data, *register, 0, value),
            Self::Differs(register, value) => write_comparison(data, *register, 1, value),
            Self::And(register, mask) => {
                let size = u32::try_from(mask.len()).expect("at most 16 bytes");
                data.be32(1, REG32 + register).be32(2, REG32 + register).be32(3, size);
                data.nest(4, |m| {
                    m.bytes(VALUE, mask);
                });
                data.nest(5, |m| {
                    m.bytes(VALUE, &vec![0; mask.len()]);
                });
            }
            Self::Member(set, register) => {
                data.text(1, set).be32(2, REG32 + register);
            }
            Self::Stranger(set, register) => {
                data.text(1, set).be32(2, REG32 + register).be32(5, 1);
            }
            Self::Map(map, from, to) => {
                data.text(1, map).be32(2, REG32 + from).be32(3, REG32 + to);
            }
            Self::Dnat(ip, address, port) => {
                data.be32(1, 1).be32(2, *ip as u32);
                data.be32(3, REG32 + address).be32(4, REG32 + address);
                data.be32(5, REG32 + port).be32(6, REG32 + port);
            }
            Self::Masquerade | Self::Counter => {}
            Self::Verdict(verdict) => {
                data.be32(1, REG_VERDICT);
                data.nest(2, |value| {
                    value.nest(VERDICT, |nested| {
                        nested.be32(VERDICT_CODE, (*verdict as i32).cast_unsigned());
                    });
                });
            }
        }
    }
}

fn write_comparison(data: &mut Message, register: Register, operator: u32, value: &[u8]) {
    data.be32(1, REG32 + register).be32(2, operator);
    data.nest(3, |m| {
        m.bytes(VALUE, value);
    });
}

/// A rule that reads as nft's language does. Each of these steps begins at register 0 anew.
#[derive(Debug, Clone, Default)]
pub struct Steps(pub Vec<Expression>);

/// Registers of four bytes that a device's name takes.
const NAME_REGISTERS: u32 = 4;

#[expect(clippy::wrong_self_convention, reason = "it is packets that come from and go to")]
impl Steps {
    fn and(mut self, steps: impl IntoIterator<Item = Expression>) -> Self {
        self.0.extend(steps);
        self
    }

    /// `meta nfproto …`
    pub fn is(self, ip: Ip) -> Self {
        self.and([Expression::Meta(META_NFPROTO, 0), Expression::Equal(0, vec![ip as u8])])
    }

    /// `iifname @set`
    pub fn from_any_of(self, set: &str) -> Self {
        self.and([Expression::Meta(META_IIFNAME, 0), Expression::Member(set.to_owned(), 0)])
    }

    /// `oifname @set`
    pub fn to_any_of(self, set: &str) -> Self {
        self.and([Expression::Meta(META_OIFNAME, 0), Expression::Member(set.to_owned(), 0)])
    }

    /// `oifname != @set`
    pub fn to_none_of(self, set: &str) -> Self {
        self.and([Expression::Meta(META_OIFNAME, 0), Expression::Stranger(set.to_owned(), 0)])
    }

    /// `iifname . oifname @set`
    pub fn on_the_way(self, set: &str) -> Self {
        self.and([
            Expression::Meta(META_IIFNAME, 0),
            Expression::Meta(META_OIFNAME, NAME_REGISTERS),
            Expression::Member(set.to_owned(), 0),
        ])
    }

    /// `iifname "device"`
    pub fn from_device(self, device: &str) -> Self {
        self.and([Expression::Meta(META_IIFNAME, 0), Expression::Equal(0, interface(device))])
    }

    /// `oifname "device"`
    pub fn to_device(self, device: &str) -> Self {
        self.and([Expression::Meta(META_OIFNAME, 0), Expression::Equal(0, interface(device))])
    }

    /// `ip saddr . oifname @set`, `ip6 …`
    pub fn source_and_way_out(self, ip: Ip, set: &str) -> Self {
        let size = ip.size();
        self.is(ip).and([
            Expression::Payload(NETWORK_HEADER, ip.source(), size, 0),
            Expression::Meta(META_OIFNAME, size / 4),
            Expression::Member(set.to_owned(), 0),
        ])
    }

    /// `ip saddr …` or `ip daddr …`, and `udp sport …` or `tcp dport …` of the same end. For rules that see IPv4 alone.
    pub fn end_is(self, end: End, address: Ipv4Addr, transport: Transport, port: u16) -> Self {
        let offset = match end {
            End::Source => Ip::V4.source(),
            End::Destination => Ip::V4.destination(),
        };
        self.and([
            Expression::Payload(NETWORK_HEADER, offset, 4, 0),
            Expression::Equal(0, address.octets().to_vec()),
            Expression::Meta(META_L4PROTO, 0),
            Expression::Equal(0, vec![transport.number()]),
            Expression::Payload(TRANSPORT_HEADER, end.port(), 2, 0),
            Expression::Equal(0, port.to_be_bytes().to_vec()),
        ])
    }

    /// `udp sport set …`, `tcp dport set …`
    pub fn set_port(self, end: End, transport: Transport, port: u16) -> Vec<Expression> {
        self.and([
            Expression::Immediate(0, port.to_be_bytes().to_vec()),
            Expression::Rewrite(TRANSPORT_HEADER, end.port(), 2, transport.checksum(), 0),
        ])
        .0
    }

    /// `ip saddr 127.0.0.0/8`
    pub fn from_loopback(self) -> Self {
        self.is(Ip::V4).and([
            Expression::Payload(NETWORK_HEADER, Ip::V4.source(), 1, 0),
            Expression::Equal(0, vec![127]),
        ])
    }

    /// `ip daddr 127.0.0.0/8`
    pub fn to_loopback(self) -> Self {
        self.is(Ip::V4).and([
            Expression::Payload(NETWORK_HEADER, Ip::V4.destination(), 1, 0),
            Expression::Equal(0, vec![127]),
        ])
    }

    /// `ip6 daddr` of a prefix of whole bits
    pub fn to_prefix6(self, address: [u8; 16], mask: [u8; 16]) -> Self {
        self.prefix6(Ip::V6.destination(), address, mask)
    }

    /// `ip6 saddr` of a prefix of whole bits
    pub fn from_prefix6(self, address: [u8; 16], mask: [u8; 16]) -> Self {
        self.prefix6(Ip::V6.source(), address, mask)
    }

    fn prefix6(self, offset: u32, address: [u8; 16], mask: [u8; 16]) -> Self {
        self.is(Ip::V6).and([
            Expression::Payload(NETWORK_HEADER, offset, 16, 0),
            Expression::And(0, mask.to_vec()),
            Expression::Equal(0, address.to_vec()),
        ])
    }

    /// `fib daddr type local`
    pub fn to_this_host(self) -> Self {
        self.and([
            Expression::DestinationType(0),
            Expression::Equal(0, TYPE_LOCAL.to_ne_bytes().to_vec()),
        ])
    }

    /// `fib saddr . iif oif missing`: its source is not where it came from
    pub fn from_elsewhere(self) -> Self {
        self.and([Expression::WayBack(0), Expression::Equal(0, vec![0; 4])])
    }

    /// `ct state …`
    pub fn state(self, states: u32) -> Self {
        self.connection(CT_STATE, states)
    }

    /// `ct status dnat`
    pub fn was_led_elsewhere(self) -> Self {
        self.connection(CT_STATUS, STATUS_DNAT)
    }

    /// `ct status ! dnat`
    pub fn was_not_led_elsewhere(self) -> Self {
        self.and([
            Expression::Connection(CT_STATUS, 0),
            Expression::And(0, STATUS_DNAT.to_ne_bytes().to_vec()),
            Expression::Equal(0, vec![0; 4]),
        ])
    }

    fn connection(self, key: u32, bits: u32) -> Self {
        self.and([
            Expression::Connection(key, 0),
            Expression::And(0, bits.to_ne_bytes().to_vec()),
            Expression::Differs(0, vec![0; 4]),
        ])
    }

    /// `dnat ip to meta l4proto . ip daddr . th dport map @map`, `ip6 …`
    pub fn lead_by_address(self, ip: Ip, map: &str) -> Vec<Expression> {
        let (size, registers) = (ip.size(), ip.size() / 4);
        self.is(ip)
            .and([
                Expression::Meta(META_L4PROTO, 0),
                Expression::Payload(NETWORK_HEADER, ip.destination(), size, 1),
                Expression::Payload(TRANSPORT_HEADER, 2, 2, 1 + registers),
                Expression::Map(map.to_owned(), 0, 0),
                Expression::Dnat(ip, 0, registers),
            ])
            .0
    }

    /// `dnat ip to meta l4proto . th dport map @map`, `ip6 …`
    pub fn lead_by_port(self, ip: Ip, map: &str) -> Vec<Expression> {
        self.is(ip)
            .and([
                Expression::Meta(META_L4PROTO, 0),
                Expression::Payload(TRANSPORT_HEADER, 2, 2, 1),
                Expression::Map(map.to_owned(), 0, 0),
                Expression::Dnat(ip, 0, ip.size() / 4),
            ])
            .0
    }

    /// `masquerade`
    pub fn masquerade(self) -> Vec<Expression> {
        self.and([Expression::Masquerade]).0
    }

    /// `counter`
    pub fn counted(self) -> Self {
        self.and([Expression::Counter])
    }

    /// `drop`, `accept`, `return`
    pub fn verdict(self, verdict: Verdict) -> Vec<Expression> {
        self.and([Expression::Verdict(verdict)]).0
    }
}

/// A device's name as sets and comparisons hold it.
pub fn interface(device: &str) -> Vec<u8> {
    let mut bytes = device.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

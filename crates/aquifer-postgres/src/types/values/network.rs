use std::fmt;
use std::net::IpAddr;

use super::by_its_text;

/// An `inet` or `cidr`: an address with the length of its network's prefix.
///
/// An address without a network can be read and bound as [`std::net::IpAddr`], too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpNet {
    address: IpAddr,
    prefix: u8,
}

impl IpNet {
    /// `None` if the prefix is longer than the address: 32 bits, or 128.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= whole(address)).then_some(Self { address, prefix })
    }

    /// The address, with the bits behind the prefix.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits belong to the network.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// True if the address is that of one host: its prefix is all of it.
    pub fn is_host(self) -> bool {
        self.prefix == whole(self.address)
    }

    /// True if the network has this address.
    pub fn contains(self, address: IpAddr) -> bool {
        let differing = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= self.prefix.into()
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            Some((address, prefix)) if prefix.bytes().all(|b| b.is_ascii_digit()) => {
                Self::new(address.parse().ok()?, prefix.parse().ok()?)
            }
            Some(_) => None,
            None => text.parse::<IpAddr>().ok().map(Self::from),
        }
    }
}

fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address of one host.
impl From<IpAddr> for IpNet {
    fn from(address: IpAddr) -> Self {
        Self { address, prefix: whole(address) }
    }
}

/// `192.168.0.1/24`, always with its prefix, so that a `cidr` takes it, too.
impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

by_its_text!(IpNet);

/// A `macaddr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 6];
        let mut pairs = text.split(':');
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| {
                pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit())
            })?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        pairs.next().is_none().then_some(Self(bytes))
    }
}

/// As PostgreSQL writes it: `08:00:2b:01:02:03`.
impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

by_its_text!(MacAddr);

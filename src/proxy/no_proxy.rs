//! Parses `NO_PROXY` like Go programs do, which never fails.

use std::net::IpAddr;

/// The hosts that are reached directly.
#[derive(Debug)]
pub(super) struct NoProxy(Vec<Exception>);

/// One entry of the list.
#[derive(Debug, PartialEq, Eq)]
enum Exception {
    All,
    Range {
        network: IpAddr,
        prefix: u32,
    },
    Address {
        address: IpAddr,
        port: Option<String>,
    },
    /// A suffix that starts with a dot; `itself` also matches the name without the dot.
    Domain {
        suffix: String,
        itself: bool,
        port: Option<String>,
    },
}

impl NoProxy {
    /// Parses the list and skips invalid entries.
    pub(super) fn parse(list: &str) -> Self {
        Self(
            list.split(',')
                .filter_map(|entry| Exception::parse(&entry.trim().to_lowercase()))
                .collect(),
        )
    }

    /// Returns whether a host is reached directly; always true for this machine.
    pub(super) fn matches(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
        let address: Option<IpAddr> =
            host.parse().ok().map(|address: IpAddr| address.to_canonical());
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        let port = port.to_string();
        let fits = |wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| *wanted == port);
        self.0.iter().any(|exception| match (exception, address) {
            (Exception::All, _) => true,
            (Exception::Range { network, prefix }, Some(address)) => {
                contains(*network, *prefix, address)
            }
            (Exception::Address { address: wanted, port }, Some(address)) => {
                *wanted == address && fits(port)
            }
            (Exception::Domain { suffix, itself, port }, None) => {
                (host.ends_with(suffix) || *itself && host == suffix[1..]) && fits(port)
            }
            _ => false,
        })
    }
}

impl Exception {
    /// Parses a lower-case entry without surrounding whitespace.
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some(range) = range(entry) {
            return Some(range);
        }
        let (host, port) = match split_port(entry) {
            Some((host, port)) => (host, Some(port.to_owned()).filter(|port| !port.is_empty())),
            None => (entry, None),
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address { address: address.to_canonical(), port });
        }
        let host = if host.starts_with("*.") { &host[1..] } else { host };
        let itself = !host.starts_with('.');
        let suffix = if itself { format!(".{host}") } else { host.to_owned() };
        (!host.is_empty()).then_some(Self::Domain { suffix, itself, port })
    }
}

/// Parses `network/prefix`.
fn range(entry: &str) -> Option<Exception> {
    let (network, prefix) = entry.split_once('/')?;
    let network: IpAddr = network.parse().ok()?;
    let is_number = prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u32 = prefix.parse().ok().filter(|_| is_number)?;
    let bits = if network.is_ipv4() { 32 } else { 128 };
    (prefix <= bits).then_some(Exception::Range { network, prefix })
}

/// Returns whether an address is in a network of the same IP version.
fn contains(network: IpAddr, prefix: u32, address: IpAddr) -> bool {
    let (network, address, bits) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    // The bits after the prefix may differ. Shifting by all 128 bits would overflow.
    (network ^ address).checked_shr(bits - prefix).unwrap_or(0) == 0
}

/// Splits `host:port` or `[address]:port`; returns `None` without a port.
fn split_port(entry: &str) -> Option<(&str, &str)> {
    let (host, port) = entry.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']').map(|address| (address, port)),
        None => (!host.contains([':', '[', ']'])).then_some((host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(list: &str, host: &str) -> bool {
        NoProxy::parse(list).matches(host, 6443)
    }

    #[test]
    fn server_matches_its_name_domain_address_and_range() {
        for (list, host) in [
            ("api.example.com", "api.example.com"),
            ("example.com", "api.example.com"),
            (".example.com", "api.example.com"),
            ("*.example.com", "api.example.com"),
            ("EXAMPLE.com", "api.example.COM"),
            ("api.example.com:6443", "api.example.com"),
            (".example.com:6443", "api.example.com"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1:6443", "10.0.0.1"),
            ("10.0.0.0/8", "10.255.0.1"),
            ("0.0.0.0/0", "192.0.2.1"),
            ("2001:db8::1", "[2001:db8::1]"),
            ("[2001:db8::1]:6443", "[2001:db8::1]"),
            ("2001:db8::/32", "[2001:db8:1::1]"),
            ("::/0", "[2001:db8:1::1]"),
            ("10.0.0.0/8", "[::ffff:10.0.0.1]"),
            ("*", "api.example.com"),
            ("other,*", "192.0.2.1"),
        ] {
            assert!(matches(list, host), "{list} {host}");
        }
    }

    #[test]
    fn server_does_not_match_entries_for_others() {
        for (list, host) in [
            (".example.com", "example.com"),
            ("example.com", "notexample.com"),
            ("api.example.com:443", "api.example.com"),
            ("10.0.0.1:443", "10.0.0.1"),
            ("10.0.0.0/8:6443", "10.0.0.1"),
            ("10.0.0.0/33", "10.0.0.1"),
            ("10.0.0", "10.0.0.1"),
            ("0.1", "10.0.0.1"),
            ("10.0.0.0/8", "[2001:db8::1]"),
            ("2001:db8::/32", "10.0.0.1"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            (":6443", "api.example.com"),
            ("api*", "api.example.com"),
        ] {
            assert!(!matches(list, host), "{list} {host}");
        }
    }

    #[test]
    fn empty_entries_and_blanks_mean_nothing() {
        for list in [
            "10.0.0.1,",
            ",10.0.0.1",
            "10.0.0.1,,x",
            "x, 10.0.0.1",
            " 10.0.0.1 ",
            "\t10.0.0.1\t,\n",
        ] {
            assert!(matches(list, "10.0.0.1"), "{list:?}");
            assert!(!matches(list, "10.0.0.2"), "{list:?}");
        }
        for list in ["", " ", ",", ", ,", "/", ":", "[", "]:1", "[]:1", "/8"] {
            assert!(!matches(list, "10.0.0.1"), "{list:?}");
        }
    }
}

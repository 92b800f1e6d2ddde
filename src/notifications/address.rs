//! Where messages may go: only to addresses of the public internet, unless a setting allows others.
//!
//! A URL from outside must not make the daemon call its own network (SSRF). What counts is the address that is connected
//! to: the client resolves names with [`PublicOnly`], which hands out no other, so a name that changes its mind between a
//! check and the connection gains nothing. An address that stands in the URL itself is never resolved; [`allowed`] is
//! asked about it. Ranges: the special-purpose registries of IANA (RFC 6890 and its updates).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// Why nothing was sent.
pub const NOT_PUBLIC: &str = "the host is not on the public internet";

/// Whether an address that stands in this URL may be called; a name is decided about when it is resolved.
pub fn allowed(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.parse::<IpAddr>().map_or(true, is_public)
}

/// Resolves names and keeps to itself what is not public.
pub struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, NOT_PUBLIC).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // this network, private, loopback
        (0 | 10 | 127, _, _) => true,
        // shared by carriers
        (100, 64..=127, _) => true,
        // link-local, among them the metadata services of clouds
        (169, 254, _) => true,
        (172, 16..=31, _) | (192, 168, _) => true,
        // protocol assignments, documentation, the relays of 6to4
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (192, 88, 99) => true,
        // benchmarks
        (198, 18 | 19, _) => true,
        // multicast, reserved, broadcast
        (224.., _, _) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    match segments {
        // an IPv4 address in other clothes: mapped, or translated by the well-known prefix of NAT64
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // protocol assignments (Teredo among them), documentation, 6to4
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // global unicast
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_pass() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn an_address_in_a_url_is_seen_in_whatever_clothes() {
        for url in [
            "http://127.0.0.1/x",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://[::1]:8080/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/latest/meta-data",
        ] {
            assert!(!allowed(&Url::parse(url).unwrap()), "{url}");
        }
        for url in ["https://hooks.example/x", "https://1.1.1.1/", "https://localhost/"] {
            assert!(
                allowed(&Url::parse(url).unwrap()),
                "{url}: a name is decided about when it is resolved"
            );
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_resolved() {
        let Err(error) = PublicOnly.resolve("localhost".parse().unwrap()).await else {
            panic!("localhost is not public");
        };
        assert_eq!(error.to_string(), NOT_PUBLIC);
    }
}

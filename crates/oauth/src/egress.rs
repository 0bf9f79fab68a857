//! The egress guard: no call goes to an address inside the house, whatever a URL or the name system says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokend_catalog::is_loopback;
use url::{Host, Url};

use crate::OAuthOptions;

/// Says which hosts may be called, and resolves names to permitted addresses only; the connection is made to the
/// address that was checked, so a second answer of the name system cannot change it.
#[derive(Debug, Clone)]
pub(crate) struct EgressGuard {
    allow_loopback: bool,
    allow_private_networks: bool,
    /// The operator's proxy, which may be anywhere. Where there is one, no other name is resolved here.
    proxy: Option<String>,
}

/// Why a host is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) &'static str);

const PLAIN: Refused = Refused("the URL is not https");
const NOT_PUBLIC: Refused = Refused(
    "the host's address is not a public one; see oauth.allow_loopback and oauth.allow_private_networks",
);

impl EgressGuard {
    pub(crate) fn new(options: &OAuthOptions) -> Self {
        Self {
            allow_loopback: options.allow_loopback,
            allow_private_networks: options.allow_private_networks,
            proxy: options
                .proxy_url
                .as_ref()
                .and_then(|url| url.host_str())
                .map(str::to_owned),
        }
    }

    /// Checks what can be seen from the URL alone.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Refused> {
        let loopback = is_loopback(url);
        let scheme_fits = url.scheme() == "https" || (url.scheme() == "http" && loopback);
        if !scheme_fits {
            return Err(PLAIN);
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            // The resolver decides; behind a proxy it is not asked.
            Some(Host::Domain(name)) if self.proxy.is_none() || !names_loopback(name) => {
                return Ok(());
            }
            Some(Host::Domain(_)) if self.allow_loopback => return Ok(()),
            Some(Host::Domain(_)) => return Err(NOT_PUBLIC),
            None => return Err(PLAIN),
        };
        if self.permits(address, loopback) {
            Ok(())
        } else {
            Err(NOT_PUBLIC)
        }
    }

    /// Whether an address may be called; a loopback one only under a name that says so, and no other under that.
    fn permits(&self, address: IpAddr, named_loopback: bool) -> bool {
        match reach(address) {
            Reach::Public => !named_loopback,
            Reach::Loopback => self.allow_loopback && named_loopback,
            Reach::Private => self.allow_private_networks && !named_loopback,
            Reach::Special => false,
        }
    }
}

impl Resolve for EgressGuard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let named_loopback = names_loopback(host);
            let permitted: Vec<SocketAddr> = tokio::net::lookup_host((host, 0))
                .await?
                .filter(|address| {
                    guard.proxy.as_deref() == Some(host)
                        || guard.permits(address.ip(), named_loopback)
                })
                .collect();
            if permitted.is_empty() {
                return Err(NOT_PUBLIC.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// RFC 6761 section 6.3; with a dot at its end a name is the same.
fn names_loopback(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host == "localhost" || host.ends_with(".localhost")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    Loopback,
    Private,
    Special,
}

/// Where an address leads, after the special-purpose registries of RFC 6890; an address that carries an IPv4 one inside
/// leads where that leads.
fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [127, ..] => Reach::Loopback,
        // The metadata of clouds that keep it within their networks or behind a public address (Alibaba, Azure).
        [100, 100, 100, 200] | [168, 63, 129, 16] => Reach::Special,
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => Reach::Private,
        // This network; link-local with the clouds' metadata; protocol assignments; documentation; 6to4 relays; benchmarks.
        [0, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        // Multicast, reserved, broadcast.
        | [224..=255, ..] => Reach::Special,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let embedded = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Loopback,
        // IPv4-mapped (RFC 4291), NAT64 (RFC 6052) and 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            embedded(high, low)
        }
        [0x2002, high, low, ..] => embedded(high, low),
        // The metadata of AWS and Google.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => {
            Reach::Special
        }
        [0xfc00..=0xfdff, ..] => Reach::Private,
        // Global unicast is 2000::/3, less Teredo and other protocol assignments (2001::/23) and documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Special,
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Special,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn guard(allow_loopback: bool, allow_private_networks: bool) -> EgressGuard {
        EgressGuard {
            allow_loopback,
            allow_private_networks,
            proxy: None,
        }
    }

    #[test]
    fn only_public_addresses_are_permitted() {
        let inside = [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.1",
            "198.18.0.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ];
        for address in inside {
            let address: IpAddr = address
                .parse()
                .unwrap_or(IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)));
            for named_loopback in [true, false] {
                assert!(
                    !guard(false, false).permits(address, named_loopback),
                    "{address}"
                );
            }
        }
        for address in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ] {
            let address: IpAddr = address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            assert!(guard(false, false).permits(address, false), "{address}");
        }
    }

    /// The addresses of the corpus, each as a host in a URL, as far as URL parsers take them.
    fn hostile(categories: &[&str]) -> Vec<(String, Url)> {
        let corpus = include_str!("../../catalog/tests/hostile_values.toml");
        let corpus: BTreeMap<String, Vec<String>> =
            toml::from_str(corpus).expect("the corpus is TOML");
        let of = |category: &&str| {
            corpus
                .get(*category)
                .expect("the category is there")
                .clone()
        };
        let hosts: Vec<String> = categories.iter().flat_map(of).collect();
        assert!(hosts.len() >= 25, "{}", hosts.len());
        hosts
            .into_iter()
            .filter_map(|host| Some((host.clone(), Url::parse(&format!("https://{host}/")).ok()?)))
            .collect()
    }

    #[test]
    fn no_notation_of_an_address_leads_inside() {
        let loopback = hostile(&["loopback_addresses"]);
        let private = hostile(&["private_addresses"]);
        let never = hostile(&["metadata_addresses", "special_addresses"]);
        assert!(loopback.len() + private.len() + never.len() > 100);
        for (host, url) in loopback.iter().chain(&private).chain(&never) {
            let checked = guard(false, false).check(url);
            assert_eq!(checked, Err(NOT_PUBLIC), "{host}");
        }
        for (host, url) in &private {
            assert!(guard(true, false).check(url).is_err(), "{host}");
            assert!(guard(false, true).check(url).is_ok(), "{host}");
        }
        for (host, url) in &never {
            assert!(guard(true, true).check(url).is_err(), "{host}");
        }
    }

    #[tokio::test]
    async fn only_the_proxy_s_own_name_may_lead_inside()
    -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let proxied = EgressGuard::new(&OAuthOptions {
            proxy_url: Some("http://localhost:3128".parse()?),
            ..OAuthOptions::default()
        });
        let mut resolved = proxied.resolve("localhost".parse()?).await?;
        assert!(resolved.all(|address| address.ip().is_loopback()));
        let refused = proxied.resolve("provider.localhost".parse()?).await;
        assert!(refused.is_err());
        assert!(proxied.check(&Url::parse("https://10.0.0.1/")?).is_err());
        for inside in [
            "https://localhost/",
            "http://localhost:1/",
            "https://LOCALHOST/",
            "https://localhost./",
            "https://a.localhost/",
        ] {
            let url = Url::parse(inside)?;
            assert_eq!(proxied.check(&url), Err(NOT_PUBLIC), "{inside}");
            let opened = EgressGuard {
                allow_loopback: true,
                ..proxied.clone()
            };
            assert_eq!(opened.check(&url), Ok(()), "{inside}");
        }
        Ok(())
    }

    #[test]
    fn options_open_what_they_name_and_no_more() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let private = IpAddr::from([10, 0, 0, 1]);
        let metadata = IpAddr::from([169, 254, 169, 254]);
        assert!(guard(true, false).permits(loopback, true));
        assert!(
            !guard(true, false).permits(loopback, false),
            "a rebound name"
        );
        assert!(!guard(true, false).permits(private, false));
        assert!(guard(false, true).permits(private, false));
        assert!(!guard(false, true).permits(loopback, true));
        assert!(!guard(true, true).permits(metadata, true));
    }

    #[tokio::test]
    async fn names_that_lead_inside_do_not_resolve()
    -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let refused = guard(false, false).resolve("localhost".parse()?).await;
        let why = refused.err().ok_or("it was resolved")?;
        assert!(why.is::<Refused>());
        let mut resolved = guard(true, false).resolve("localhost".parse()?).await?;
        assert!(resolved.all(|address| address.ip().is_loopback()));
        Ok(())
    }

    #[test]
    fn urls_are_checked_before_anything_is_sent() -> Result<(), url::ParseError> {
        for (url, plain, open) in [
            ("https://example.com/", true, true),
            ("http://example.com/", false, false),
            ("http://localhost:1/", true, true),
            ("http://127.0.0.1:1/", false, true),
            ("http://[::1]:1/", false, true),
            ("https://localhost/", true, true),
            ("https://10.0.0.1/", false, false),
            ("https://2130706433/", false, true),
            ("https://[::ffff:169.254.169.254]/", false, false),
            ("https://[::ffff:7f00:1]/", false, false),
            ("ftp://example.com/", false, false),
        ] {
            let parsed = Url::parse(url)?;
            assert_eq!(guard(false, false).check(&parsed).is_ok(), plain, "{url}");
            assert_eq!(guard(true, false).check(&parsed).is_ok(), open, "{url}");
        }
        Ok(())
    }
}

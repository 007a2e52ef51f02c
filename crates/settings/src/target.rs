//! Where something is reached: URLs and `host:port`; and keys of which exactly one must be there.

use crate::declare::{At, Places, Reading, Setting, shown};
use crate::document::Node;
use crate::problem::Kind;
use std::fmt;

/// An `http://` or `https://` URL without user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether it needs TLS.
    pub tls: bool,
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// Given, or 80 or 443.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub path: String,
    text: String,
}

impl Url {
    /// Reads one; `None` where it is none of the form that a configuration may hold.
    pub fn parse(text: &str) -> Option<Self> {
        parse_url(text).ok()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Setting for Url {
    const WANTED: &'static str = "a URL, like \"http://127.0.0.1:9000/ping\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let text = String::read(node, at, reading)?;
        match parse_url(&text) {
            Ok(url) => Some(url),
            Err(UrlFault::Credentials) => {
                let message = format!("{} holds a user or a password", at.name());
                let help = "write the URL without `user:password@`: it is shown in logs and pages";
                reading.refuse(Kind::ExposedSecret, &node.origin, message, help);
                None
            }
            Err(UrlFault::Scheme) => {
                let message = format!("{} must begin with http:// or https://; found \"{}\"", at.name(), shown(&text));
                let help = if text.contains("://") {
                    format!("write {}", Self::WANTED)
                } else {
                    let local = text.starts_with("127.") || text.starts_with("localhost") || text.starts_with('[');
                    let scheme = if local { "http" } else { "https" };
                    at.write(&node.origin, &format!("\"{scheme}://{}\"", shown(&text)))
                };
                reading.refuse(Kind::BadValue, &node.origin, message, help);
                None
            }
            Err(UrlFault::Shape) => {
                let message = format!("{} must be a URL; found \"{}\"", at.name(), shown(&text));
                reading.refuse(Kind::BadValue, &node.origin, message, format!("write {}", Self::WANTED));
                None
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum UrlFault {
    Scheme,
    Credentials,
    Shape,
}

fn parse_url(text: &str) -> Result<Url, UrlFault> {
    let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err(UrlFault::Scheme),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err(UrlFault::Credentials);
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(UrlFault::Shape);
    }
    let (host, port) = split_port(authority, Some(if tls { 443 } else { 80 })).ok_or(UrlFault::Shape)?;
    let path = path.split('#').next().unwrap_or("");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Url { tls, host, port, path, text: text.to_owned() })
}

/// `host:port` where port may be left out if there is a usual one.
fn split_port(authority: &str, usual: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, tail) = rest.split_once(']')?;
            (host, tail.strip_prefix(':').or(if tail.is_empty() { None } else { Some("bad") }))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
        None => usual?,
    };
    let good = !host.is_empty() && !host.chars().any(|c| c.is_whitespace() || c.is_control() || "/\\\"<>".contains(c));
    good.then(|| (host.to_owned(), port))
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Setting for HostPort {
    const WANTED: &'static str = "a host and a port, like \"127.0.0.1:5432\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let text = String::read(node, at, reading)?;
        let parsed = split_port(text.trim_start_matches("tcp://"), None).map(|(host, port)| Self { host, port });
        if parsed.is_none() {
            let message = format!("{} must be a host and a port; found \"{}\"", at.name(), shown(&text));
            reading.refuse(Kind::BadValue, &node.origin, message, format!("write {}", Self::WANTED));
        }
        parsed
    }
}

/// Refuses none or several of keys of which exactly one must be there.
pub fn exactly_one(ways: &[(&str, bool)], example: &str, places: &Places<'_>, reading: &mut Reading<'_>) {
    let given: Vec<&str> = ways.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    let names: Vec<&str> = ways.iter().map(|(name, _)| *name).collect();
    match given.as_slice() {
        [_] => {}
        [] => reading.refuse(
            Kind::Missing,
            &places.table.origin,
            format!("{} needs one of {}", places.label, names.join(", ")),
            format!("write for example: {example}"),
        ),
        [_, second, ..] => reading.refuse(
            Kind::Contradiction,
            &places.first_of(&[second]),
            format!("{} has {} at once", places.label, given.join(" and ")),
            "keep one of them",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url = parse_url("https://api.kraken.com/0/public/Time?x=1#f");
        assert!(
            matches!(&url, Ok(u) if u.tls && u.host == "api.kraken.com" && u.port == 443 && u.path == "/0/public/Time?x=1")
        );
        let url = parse_url("http://[::1]:9000");
        assert!(matches!(&url, Ok(u) if !u.tls && u.host == "::1" && u.port == 9000 && u.path == "/"));
        assert_eq!(parse_url("http://u:p@h/"), Err(UrlFault::Credentials));
        assert_eq!(parse_url("ftp://h/"), Err(UrlFault::Scheme));
        for bad in ["http://", "http://h:0/", "http://h:99999", "http://a b/", "http://[::1", "http://h/\r\nX: y"] {
            assert_eq!(parse_url(bad), Err(UrlFault::Shape), "{bad}");
        }
    }
}

//! Origins of pages, as browsers name them in `Origin`: a scheme, a host, and a port where it is not the usual one.

use failstop_settings::document::Node;
use failstop_settings::{At, Kind, Reading, Setting, Url, shown};

/// Whose pages may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageOrigin {
    /// All.
    Any,
    /// Those of this origin, spelt as browsers spell it.
    One(String),
}

impl PageOrigin {
    /// The origin that a text names; `None` where it is none, or more than one.
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let spelt = spelling(text)?;
        // Case does not matter in a host, and browsers leave the usual port out; whatever else differs is no slip of that kind.
        let usual = if spelt.starts_with("https://") { ":443" } else { ":80" };
        let lower = text.to_ascii_lowercase();
        let same = lower == spelt || lower.strip_suffix(usual) == Some(&spelt);
        same.then_some(Self::One(spelt))
    }
}

/// How browsers spell the origin of a URL; `None` where it is no URL, or its host is one that they spell otherwise.
fn spelling(text: &str) -> Option<String> {
    let url = Url::parse(text)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if !url.host.chars().all(plain) {
        return None;
    }
    let (scheme, usual) = if url.tls { ("https", 443) } else { ("http", 80) };
    let host = url.host.to_ascii_lowercase();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let port = if url.port == usual { String::new() } else { format!(":{}", url.port) };
    Some(format!("{scheme}://{host}{port}"))
}

impl Setting for PageOrigin {
    const WANTED: &'static str = "an origin, like \"https://grafana.example\", or \"*\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let text = String::read(node, at, reading)?;
        if let Some(origin) = Self::parse(&text) {
            return Some(origin);
        }
        let message = format!("{} must be an origin; found \"{}\"", at.name(), shown(&text));
        let help = match spelling(&text) {
            Some(spelt) => format!("write \"{spelt}\": scheme, host and port alone"),
            None if text.contains('*') => "write each origin out, as in \"https://grafana.example\"".to_owned(),
            None => format!("write {}; a name with other letters as browsers send it (xn--…)", Self::WANTED),
        };
        reading.refuse(Kind::BadValue, &node.origin, message, help);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_spelt_as_browsers_spell_it() {
        let one = |spelt: &str| Some(PageOrigin::One(spelt.to_owned()));
        for (text, origin) in [
            ("*", Some(PageOrigin::Any)),
            ("https://grafana.example", one("https://grafana.example")),
            ("https://Grafana.Example:443", one("https://grafana.example")),
            ("http://grafana.example:80", one("http://grafana.example")),
            ("http://grafana.example:443", one("http://grafana.example:443")),
            ("https://grafana.example:3000", one("https://grafana.example:3000")),
            ("http://[::1]:3000", one("http://[::1]:3000")),
            ("https://grafana.example/", None),
            ("https://grafana.example/d/1", None),
            ("https://grafana.example?x", None),
            ("https://a@grafana.example", None),
            ("https://*.example", None),
            ("https://bücher.example", None),
            ("grafana.example", None),
            ("null", None),
            ("file://", None),
            ("", None),
        ] {
            assert_eq!(PageOrigin::parse(text), origin, "{text}");
        }
        assert_eq!(spelling("https://Grafana.example/d/1").as_deref(), Some("https://grafana.example"));
    }
}

//! `[observe]`: the read-only HTTP address.

use failstop_settings::document::{Node, Value};
use failstop_settings::{At, Consistent, Kind, Name, Places, Reading, Setting, Url, interpreted, section, shown};
use std::net::SocketAddr;

section! {
    /// The observe address: HTTP, GET only, changes nothing.
    pub struct Observe {
        /// Where it listens: "127.0.0.1:8080"; "off" for nowhere. Beyond loopback it is readable by the whole network.
        listen: Listen, default "127.0.0.1:8080";
        /// The dashboard on `/`. Without it the list of paths is there.
        dashboard: bool, default true;
        /// Other systems on one page, `/fleet`: each with its name there and its observe address, which this engine asks.
        fleet: Vec<FleetSystem>, default [];
    }
}

/// The most systems of a fleet's page.
pub const MAX_FLEET: usize = 32;

impl Consistent for Observe {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let label = places.label;
        if self.fleet.len() > MAX_FLEET {
            let message = format!("`fleet` in {label} has {} systems", self.fleet.len());
            let help = format!("write at most {MAX_FLEET}; more are Grafana's");
            reading.refuse(Kind::OutOfRange, &places.first_of(&["fleet"]), message, help);
        }
        let mut names: Vec<&str> = self.fleet.iter().map(|system| system.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]) {
            let message = format!("`fleet` in {label} has two systems with the name {twice}");
            reading.refuse(Kind::Contradiction, &places.first_of(&["fleet"]), message, "give each a name of its own");
        }
    }
}

section! {
    /// A system on a fleet's page.
    pub struct FleetSystem {
        /// Its name on the page.
        name: Name, required "demo";
        /// Its observe address, as this host reaches it.
        url: Url, required "http://10.0.0.2:8080";
    }
}

impl Consistent for FleetSystem {}

impl Eq for FleetSystem {}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// Here. Port 0 lets the kernel choose.
    At(SocketAddr),
}

impl Setting for Listen {
    const WANTED: &'static str = "an address and a port, like \"127.0.0.1:8080\", or \"off\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let given = match &node.value {
            Value::Raw(text) => Node { value: Value::Text(text.trim_matches('"').to_owned()), ..node.clone() },
            _ => interpreted(node),
        };
        let text = match &given.value {
            Value::Text(text) => text.trim().to_owned(),
            Value::Integer(port) => port.to_string(),
            _ => String::new(),
        };
        if text == "off" {
            return Some(Self::Off);
        }
        if let (Value::Text(_), Ok(address)) = (&given.value, text.parse::<SocketAddr>()) {
            return Some(Self::At(address));
        }
        let help = match guess(&text) {
            Some(address) => at.write(&node.origin, &format!("\"{address}\"")),
            None => format!("write {}", Self::WANTED),
        };
        let message = format!("{} must be an address and a port; found \"{}\"", at.name(), shown(&text));
        reading.refuse(Kind::BadValue, &node.origin, message, help);
        None
    }
}

/// The address that was meant by a bare port, a bare host, a name or a URL. Never one that opens more than was written.
fn guess(text: &str) -> Option<SocketAddr> {
    let text = text.trim_start_matches("http://").trim_start_matches("tcp://").trim_end_matches('/');
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => match text.parse::<u16>() {
            Ok(port) => ("", port),
            Err(_) => (text, 8080),
        },
    };
    let host = match host {
        "" | "localhost" => "127.0.0.1",
        "*" => "0.0.0.0",
        host => host,
    };
    Some(SocketAddr::new(host.trim_matches(['[', ']']).parse().ok()?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_the_address_that_was_meant() {
        let guess = |text| guess(text).map(|a| a.to_string());
        assert_eq!(guess("8080"), Some("127.0.0.1:8080".into()));
        assert_eq!(guess(":9000"), Some("127.0.0.1:9000".into()));
        assert_eq!(guess("localhost:9000"), Some("127.0.0.1:9000".into()));
        assert_eq!(guess("0.0.0.0"), Some("0.0.0.0:8080".into()));
        assert_eq!(guess("http://127.0.0.1:80/"), Some("127.0.0.1:80".into()));
        assert_eq!(guess("example.com:80"), None);
        assert_eq!(guess("127.0.0.1:99999"), None);
    }
}

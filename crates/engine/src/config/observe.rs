//! `[observe]`: the read-only HTTP address.

use super::certificate;
use super::control::Control;
use super::page_origin::PageOrigin;
use failstop_settings::document::{Node, Table, Value};
use failstop_settings::{
    At, Consistent, Kind, Name, Origin, Places, Reading, Secret, Setting, Url, interpreted, section, shown,
};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

section! {
    /// The observe address: HTTP, GET only, changes nothing.
    pub struct Observe {
        /// Where it listens: "127.0.0.1:8080"; "off" for nowhere. Beyond loopback the whole network reads it, unless a token is wanted.
        listen: Listen, default "127.0.0.1:8080";
        /// The certificate chain, PEM: what whoever asks checks this host by. With it and `tls_key` HTTPS is spoken, and nothing else.
        tls_cert: Option<PathBuf>, absent "observe-cert.pem";
        /// The certificate's private key, PEM. Nobody but its owner and group may read it.
        tls_key: Option<PathBuf>, absent "observe-key.pem";
        /// Whether every path wants a token of `[control] token_file`, of the role viewer or more. Beyond loopback it goes with
        /// TLS alone.
        require_token: bool, default false;
        /// Origins whose pages may read the answers in a browser, each as "https://grafana.example"; "*" for all of them, where no
        /// token is wanted.
        cors: Vec<PageOrigin>, default [];
        /// Figures for programs: `/metrics`, `/api/metrics` and `/api/metrics/history`. Without them these are 404.
        metrics: bool, default true;
        /// The dashboard on `/`. Without it the list of paths is there.
        dashboard: bool, default true;
        /// Other systems on one page, `/fleet`: each with its name there and its observe address, which this engine asks.
        fleet: Vec<FleetSystem>, default [];
        /// Authorities that signed the certificates of a fleet's systems, PEM, beside those of the web.
        fleet_ca: Option<PathBuf>, absent "fleet-ca.pem";
    }
}

impl Observe {
    /// Whether it speaks TLS.
    pub const fn speaks_tls(&self) -> bool {
        self.tls_cert.is_some() && self.tls_key.is_some()
    }
}

/// The most systems of a fleet's page.
pub const MAX_FLEET: usize = 32;

/// The most origins of other pages.
pub const MAX_ORIGINS: usize = 16;

impl Consistent for Observe {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let label = places.label;
        certificate::goes_with_its_key(&self.tls_cert, &self.tls_key, places, reading);
        if let Listen::At(address) = self.listen
            && self.require_token
            && self.tls_cert.is_none()
            && self.tls_key.is_none()
            && !address.ip().is_loopback()
        {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["require_token"]),
                format!(
                    "`require_token` in {label} without TLS on {address}: whoever is on the way could read the tokens"
                ),
                "write `tls_cert` and `tls_key`, or listen on 127.0.0.1 behind a proxy with TLS",
            );
        }
        if self.cors.len() > MAX_ORIGINS {
            reading.refuse(
                Kind::OutOfRange,
                &places.first_of(&["cors"]),
                format!("`cors` in {label} has {} origins", self.cors.len()),
                format!("write at most {MAX_ORIGINS}"),
            );
        }
        if self.cors.contains(&PageOrigin::Any) && (self.require_token || self.cors.len() > 1) {
            let (message, help) = if self.require_token {
                (
                    "has \"*\", and `require_token` asks for a token",
                    "name the origins, as in [\"https://grafana.example\"]",
                )
            } else {
                (
                    "has \"*\" beside others, and it stands for all of them",
                    "write `cors = [\"*\"]`, or name the origins alone",
                )
            };
            let message = format!("`cors` in {label} {message}");
            reading.refuse(Kind::Contradiction, &places.first_of(&["cors"]), message, help);
        }
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
        /// The token that this address wants, of the role viewer.
        token: Option<Secret>, absent { file = "secrets/viewer" };
    }
}

impl Consistent for FleetSystem {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let here = self.url.host == "localhost" || self.url.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if self.token.is_some() && !self.url.tls && !here {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["token"]),
                format!("`token` in {} would go over the network in clear", places.label),
                "write `url` with https://, or take the token out",
            );
        }
    }
}

/// What `[observe]` needs of other sections: tokens are those of the control listener.
pub(super) fn check(root: &Table, observe: &Observe, control: &Control, reading: &mut Reading<'_>) {
    if !observe.require_token || control.token_file.is_some() {
        return;
    }
    let section = root.get("observe").map(|entry| &entry.node.value);
    let origin = match section {
        Some(Value::Table(section)) => {
            section.get("require_token").map_or_else(|| section.origin.clone(), |entry| entry.node.origin.clone())
        }
        Some(_) | None => Origin::Whole,
    };
    reading.refuse(
        Kind::Contradiction,
        &origin,
        "`require_token` in [observe] wants a token, and [control] has no `token_file`: nobody could look".to_owned(),
        "write `token_file = \"control-tokens\"` in [control], made with `failstop token new NAME --role viewer`",
    );
}

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

//! Where to listen.

use failstop_settings::document::Node;
use failstop_settings::{At, Kind, Reading, Setting, shown};
use std::net::SocketAddr;

/// An address and a port, or nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// Here. Port 0 lets the kernel choose.
    At(SocketAddr),
}

impl Setting for Listen {
    const WANTED: &'static str = "an address and a port, like \"0.0.0.0:8081\", or \"off\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let text = String::read(node, at, reading)?;
        if text == "off" {
            return Some(Self::Off);
        }
        if let Ok(address) = text.parse() {
            return Some(Self::At(address));
        }
        let message = format!("{} must be an address and a port; found \"{}\"", at.name(), shown(&text));
        reading.refuse(Kind::BadValue, &node.origin, message, format!("write {}", Self::WANTED));
        None
    }
}

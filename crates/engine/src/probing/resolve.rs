//! From a host's name to a connection.

use super::fault::ProbeFault;
use crate::config::HostPort;
use failstop_notify::threads::NAMES;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpStream;

/// What `localhost` means, whatever the name server does: a probe of a bot on this host must not wait for a network.
pub(super) const LOCAL: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// The first connection that can be made.
pub(crate) async fn connect(at: &HostPort) -> Result<TcpStream, ProbeFault> {
    let mut last = None;
    for address in addresses(at).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| io::Error::other("the name has no address"));
    Err(ProbeFault::Io { target: at.to_string(), error })
}

async fn addresses(at: &HostPort) -> Result<Vec<SocketAddr>, ProbeFault> {
    if let Ok(address) = at.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, at.port)]);
    }
    if at.host.eq_ignore_ascii_case("localhost") {
        return Ok(LOCAL.iter().map(|address| SocketAddr::new(*address, at.port)).collect());
    }
    NAMES.look_up(&at.host, at.port).await.map_err(|error| ProbeFault::Resolve { host: at.host.clone(), error })
}

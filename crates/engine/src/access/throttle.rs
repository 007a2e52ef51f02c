//! How long whoever proves nothing waits for that answer. Pure: time is given.
//!
//! A token cannot be guessed, so this is no lock: whoever proves who he is is answered at once, however many others fail from the
//! same address. A lock would be a way to keep an operator from his emergency stop. What it holds back is the noise: log, journal,
//! processor.

use core::time::Duration;
use failstop_core::Monotonic;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// The most peers that are remembered; the one that was quiet for longest makes room.
pub const PEERS_MAX: usize = 1024;

/// How slow it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The first failure waits so long, each further one twice as long.
    pub first: Duration,
    /// And none longer than this.
    pub most: Duration,
    /// After this time without one a peer begins anew.
    pub forget: Duration,
}

impl Pace {
    /// Of the control listener: no answer comes later than those who ask wait for one, so that each still hears what is wrong.
    pub const CONTROL: Self =
        Self { first: Duration::from_secs(1), most: Duration::from_secs(8), forget: Duration::from_secs(15 * 60) };

    /// Of the observe address: at once. A watchdog whose token was revoked would take a late answer for a time-out, and restart an
    /// engine that is well.
    pub const OBSERVE: Self = Self { first: Duration::ZERO, most: Duration::ZERO, ..Self::CONTROL };
}

/// Who failed, and how often.
#[derive(Clone, Debug)]
pub struct Throttle {
    pace: Pace,
    peers: BTreeMap<IpAddr, Failed>,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    times: u32,
    last: Monotonic,
}

impl Throttle {
    /// Nobody yet.
    pub const fn new(pace: Pace) -> Self {
        Self { pace, peers: BTreeMap::new() }
    }

    /// Somebody at this address proved nothing: how long the answer waits.
    pub fn failed(&mut self, peer: IpAddr, now: Monotonic) -> Duration {
        let peer = one_host(peer);
        let times = match self.peers.get(&peer) {
            Some(failed) if now.since(failed.last) < self.pace.forget => failed.times.saturating_add(1),
            Some(_) => 1,
            None => {
                self.make_room(now);
                1
            }
        };
        self.peers.insert(peer, Failed { times, last: now });
        let doublings = (times - 1).min(31);
        self.pace.first.saturating_mul(1 << doublings).min(self.pace.most)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    fn make_room(&mut self, now: Monotonic) {
        if self.peers.len() < PEERS_MAX {
            return;
        }
        let forget = self.pace.forget;
        self.peers.retain(|_, failed| now.since(failed.last) < forget);
        if self.peers.len() >= PEERS_MAX
            && let Some(quietest) = self.peers.iter().min_by_key(|(_, failed)| failed.last).map(|(peer, _)| *peer)
        {
            self.peers.remove(&quietest);
        }
    }
}

/// Who has a network of IPv6 has all of its addresses.
fn one_host(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const ANA: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn each_failure_of_a_peer_waits_twice_as_long_up_to_a_bound() {
        let mut throttle = Throttle::new(Pace::CONTROL);
        let waits: Vec<u64> = (0..7).map(|second| throttle.failed(ANA, at(second)).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 8, 8, 8]);
        // Somebody else is not held back by it.
        assert_eq!(throttle.failed(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), at(7)).as_secs(), 1);
        // The time is what is given: just before it is forgotten, and just then.
        assert_eq!(throttle.failed(ANA, at(6 + 899)).as_secs(), 8);
        assert_eq!(throttle.failed(ANA, at(6 + 899 + 900)).as_secs(), 1);
        for _ in 0..100_000 {
            throttle.failed(ANA, at(6 + 899 + 900));
        }
        assert_eq!(throttle.failed(ANA, at(6 + 899 + 900)).as_secs(), 8, "no overflow");
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer_and_so_are_both_forms_of_an_address() {
        let mut throttle = Throttle::new(Pace::CONTROL);
        let parse = |text: &str| text.parse::<IpAddr>().unwrap_or(ANA);
        assert_eq!(throttle.failed(parse("2001:db8::1"), at(0)).as_secs(), 1);
        assert_eq!(throttle.failed(parse("2001:db8::ffff:1"), at(0)).as_secs(), 2);
        assert_eq!(throttle.failed(parse("2001:db8:0:1::1"), at(0)).as_secs(), 1);
        assert_eq!(throttle.failed(ANA, at(0)).as_secs(), 1);
        assert_eq!(throttle.failed(parse("::ffff:10.0.0.1"), at(0)).as_secs(), 2);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_quietest_goes() {
        let mut throttle = Throttle::new(Pace::CONTROL);
        for number in 0..10_000u32 {
            let peer = IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + number));
            throttle.failed(peer, at(1));
            throttle.failed(ANA, at(2));
            assert!(throttle.len() <= PEERS_MAX);
        }
        assert_eq!(throttle.failed(ANA, at(3)).as_secs(), 8, "whoever goes on is remembered");
        assert!(!throttle.is_empty());
    }
}

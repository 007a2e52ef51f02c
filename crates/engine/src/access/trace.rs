//! The name of one request or one incident, by which it is found again in log, journal, alert and answer: that of a W3C
//! `traceparent` where a request carries one, otherwise one of our own.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// The header in which an answer names the request.
pub const TRACE_HEADER: &str = "failstop-trace";

/// Sixteen bytes, not all of them zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// A new one. Where the system gives no random bytes it is made of the time: it names a request and proves nothing.
    pub fn new() -> Self {
        let mut bytes = [0; 16];
        if getrandom::fill(&mut bytes).is_err() {
            bytes = u128::from(crate::clock::now().as_nanos()).to_be_bytes();
        }
        bytes[15] |= u8::from(bytes == [0; 16]);
        Self(bytes)
    }

    /// That of the incident `name` in the journal of this id: the same whenever and by whomever it is asked for.
    pub fn of_incident(journal: &[u8; 16], name: &str) -> Self {
        let hash = Sha256::new_with_prefix(b"failstop-incident\n").chain_update(journal).chain_update(name).finalize();
        let mut bytes = hash.first_chunk().copied().unwrap_or_default();
        bytes[15] |= u8::from(bytes == [0; 16]);
        Self(bytes)
    }

    /// The one that these 32 digits write, in lower case.
    pub fn of_text(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let number = u128::from_str_radix(text, 16).ok().filter(|number| digits && text.len() == 32 && *number != 0)?;
        Some(Self(number.to_be_bytes()))
    }

    /// That of a `traceparent`, if it is well made: `00-<32 digits>-<16 digits>-<2 digits>`, in lower case, later versions with
    /// more behind.
    pub fn of_traceparent(header: &str) -> Option<Self> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let mut parts = header.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let whole = [(version, 2), (trace, 32), (parent, 16), (flags, 2)]
            .iter()
            .all(|(part, length)| part.len() == *length && digits(part));
        let ends = parts.next().is_none();
        if !whole || version == "ff" || version == "00" && !ends || parent.bytes().all(|byte| byte == b'0') {
            return None;
        }
        Self::of_text(trace)
    }
}

impl Default for TraceId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incidents_name_is_always_the_same_and_no_other_ones() {
        let one = TraceId::of_incident(&[1; 16], "h-31");
        assert_eq!(one, TraceId::of_incident(&[1; 16], "h-31"));
        assert_ne!(one, TraceId::of_incident(&[1; 16], "h-32"));
        assert_ne!(one, TraceId::of_incident(&[2; 16], "h-31"));
        // The first digits of SHA-256 over "failstop-incident", a line feed, the journal's 16 bytes and the name.
        assert_eq!(one.to_string(), "e306524c9431b834f8abd103e25179fe");
        assert_eq!(TraceId::of_text(&one.to_string()), Some(one));
        for bad in ["", "+f", &"0".repeat(32), &"F".repeat(32), &"f".repeat(33)] {
            assert_eq!(TraceId::of_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_traceparent_is_taken_where_it_is_well_made() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(TraceId::of_traceparent(&good).map(|id| id.to_string()).as_deref(), Some(trace));
        let later = format!("cc-{trace}-00f067aa0ba902b7-01-what-the-future-will-be-like");
        assert!(TraceId::of_traceparent(&later).is_some());
        for bad in [
            String::new(),
            trace.to_owned(),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("{good}-more"),
            good.to_uppercase(),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-00f067aa0ba902b7-01", &trace[1..]),
            format!("00-{}-00f067aa0ba902b7-01", trace.replace('4', "+")),
        ] {
            assert_eq!(TraceId::of_traceparent(&bad), None, "{bad}");
        }
        let (one, other) = (TraceId::new(), TraceId::new());
        assert!(one != other && one.to_string().len() == 32);
    }
}

//! The name of one request, by which it is found again in log, journal and answer: that of a W3C `traceparent` where the request
//! carries one, otherwise one of our own.

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
        u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0).map(|trace| Self(trace.to_be_bytes()))
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

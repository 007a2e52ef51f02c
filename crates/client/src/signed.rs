//! Signed requests between a watchdog, an engine's control listener and the responder on a bot's host.
//!
//! A watchdog acts on another machine, so its word must be provable: HMAC-SHA256 over what is asked, with a key that both
//! sides hold in a file. TLS, where there is some, hides the request; this proves who asks, whom, for what, when, and once.
//!
//! ```text
//! authorization: Failstop-HMAC-SHA256 key=wd1,time=1794274387123,nonce=<32 hex>,signature=<64 hex>
//!
//! signature = HMAC-SHA256(secret, the canonical text):
//! failstop-signed/1 LF audience LF METHOD LF target LF time LF nonce LF key LF hex(SHA-256(body)) LF
//! ```
//!
//! `audience` names the one who is asked (a system's name; `actuate/NAME` for a responder), so that what was signed for one
//! system is worth nothing at another that holds the same key. `target` is the path with its query, byte for byte as it
//! stands in the request line. `time` is Unix milliseconds in decimal. Each field is refused where it holds a control
//! byte, so no two requests share a canonical text.
//!
//! The answer may be signed too ([`Key::sign_answer`]): it is bound to the request's nonce, so a receipt can neither be
//! forged nor replayed.
//!
//! The one who is asked keeps a [`Verifier`]: it takes the time as an input, compares in constant time, accepts a clock
//! difference of [`WINDOW_MS`], takes each nonce once, and remembers at most [`REMEMBERED_MAX`] of them.
//!
//! ```
//! use failstop_client::signed::{Key, Nonce, Request, Verifier};
//!
//! let text = format!("wd1:{}", "5a".repeat(32));
//! let request = Request { audience: "demo", method: "POST", target: "/api/control/stop", body: b"{}" };
//! let header = Key::parse(&text)?.sign(&request, 1_794_274_387_123, Nonce([7; 16]))?;
//!
//! let mut verifier = Verifier::new([Key::parse(&text)?], 1_794_274_000_000)?;
//! let asked = verifier.verify(&request, Some(&header), 1_794_274_388_000)?;
//! assert_eq!(asked.key, "wd1");
//! assert!(verifier.verify(&request, Some(&header), 1_794_274_388_500).is_err(), "each request is taken once");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod key;
mod verifier;

pub use key::{KEY_FILE_MAX, Key, KeyError, KeyFileError, SECRET_MIN};
pub use verifier::{REMEMBERED_MAX, Refusal, SameId, Signer, Verifier, WINDOW_MS};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The scheme's word in the header `authorization`.
pub const SCHEME: &str = "Failstop-HMAC-SHA256";

/// The header (lower case) in which an answer's signature stands: 64 hex digits.
pub const ANSWER_HEADER: &str = "failstop-signature";

/// The first line of a request's canonical text.
const REQUEST: &str = "failstop-signed/1";

/// The first line of an answer's canonical text.
const ANSWER: &str = "failstop-answer/1";

/// What is asked of whom. The body is the bytes that are sent, empty for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Who is asked: a system's name, or `actuate/NAME`.
    pub audience: &'a str,
    /// `GET`, `POST`: upper case, as in the request line.
    pub method: &'a str,
    /// The path with its query, as in the request line: `/api/journal?from_seq=1&limit=65536`.
    pub target: &'a str,
    /// The body's bytes.
    pub body: &'a [u8],
}

/// 16 bytes that are used once. They must come from the system's random generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub [u8; 16]);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The request cannot be signed: a field would make the canonical text ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {field} of a signed request is empty or holds a space, a control byte or one beyond ASCII")]
pub struct NotSignable {
    /// `audience`, `method` or `target`.
    pub field: &'static str,
}

impl Request<'_> {
    /// Whether every field is one line of visible ASCII, so that the canonical text has one reading.
    fn checked(&self) -> Result<(), NotSignable> {
        for (field, text) in [("audience", self.audience), ("method", self.method), ("target", self.target)] {
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(NotSignable { field });
            }
        }
        Ok(())
    }
}

impl Key {
    /// The value of the header `authorization` for a request that is sent now.
    ///
    /// # Errors
    /// [`NotSignable`] where a field is not one line of visible ASCII.
    pub fn sign(&self, request: &Request<'_>, now_ms: u64, nonce: Nonce) -> Result<String, NotSignable> {
        request.checked()?;
        let signature = hex(&request_mac(self, request, now_ms, nonce).finalize().into_bytes());
        Ok(format!("{SCHEME} key={},time={now_ms},nonce={nonce},signature={signature}", self.id()))
    }

    /// The value of the header [`ANSWER_HEADER`] for the answer to the request with this nonce.
    pub fn sign_answer(&self, nonce: Nonce, status: u16, body: &[u8]) -> String {
        hex(&answer_mac(self, nonce, status, body).finalize().into_bytes())
    }

    /// Whether the answer to the request with this nonce is by somebody who holds the key. In constant time.
    pub fn is_answer(&self, nonce: Nonce, status: u16, body: &[u8], signature: &str) -> bool {
        unhex::<32>(signature.as_bytes())
            .is_some_and(|tag| answer_mac(self, nonce, status, body).verify_slice(&tag).is_ok())
    }
}

fn request_mac(key: &Key, request: &Request<'_>, time_ms: u64, nonce: Nonce) -> Hmac<Sha256> {
    let body = hex(&Sha256::digest(request.body));
    let Request { audience, method, target, body: _ } = *request;
    let text = format!("{REQUEST}\n{audience}\n{method}\n{target}\n{time_ms}\n{nonce}\n{}\n{body}\n", key.id());
    mac(key, text.as_bytes())
}

fn answer_mac(key: &Key, nonce: Nonce, status: u16, body: &[u8]) -> Hmac<Sha256> {
    let body = hex(&Sha256::digest(body));
    mac(key, format!("{ANSWER}\n{nonce}\n{status}\n{}\n{body}\n", key.id()).as_bytes())
}

fn mac(key: &Key, text: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.secret()).expect("a key of any length is taken");
    mac.update(text);
    mac
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

/// The bytes that lower-case digits spell, if they spell exactly `N`.
pub(crate) fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;

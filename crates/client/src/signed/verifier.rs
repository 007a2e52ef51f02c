//! Whether a signed request is to be believed: known key, right signature, in time, and not seen before. The time is an
//! input.

use super::{Key, Nonce, Request, SCHEME, request_mac, unhex};
use hmac::Mac as _;
use std::collections::{BTreeMap, BTreeSet};

/// How far the clocks of the two sides may be apart, milliseconds.
pub const WINDOW_MS: u64 = 30_000;

/// How many requests are remembered at most, so that none is taken twice. Only signed ones are remembered, so strangers
/// cannot fill this; where it is full, further requests are refused until the oldest has run out.
pub const REMEMBERED_MAX: usize = 4096;

/// A header longer than this is not one of ours.
const HEADER_MAX: usize = 512;

/// Believes or refuses signed requests to one audience.
#[derive(Debug)]
pub struct Verifier {
    keys: BTreeMap<String, Key>,
    /// Requests of this time or earlier are refused: they may have been taken by an earlier life, or before the clock was
    /// set back.
    floor_ms: u64,
    /// Taken requests within the window, by time.
    pub(super) taken: BTreeSet<(u64, Nonce)>,
}

/// Who asked, as proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The key's id.
    pub key: String,
    /// The request's time, Unix milliseconds.
    pub time_ms: u64,
    /// The request's nonce: what [`Key::sign_answer`] binds the answer to.
    pub nonce: Nonce,
}

/// Why a request is not believed. Each is answered with 401, [`Refusal::Full`] with 503.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no header.
    #[error("the request is not signed: it has no header `authorization: {SCHEME} …`")]
    Unsigned,
    /// The header is not of this scheme, or not well made.
    #[error("the header `authorization` is not `{SCHEME} key=…,time=…,nonce=…,signature=…`")]
    Malformed,
    /// No key has this id.
    #[error("there is no key `{0}` here; is its file listed on this side?")]
    UnknownKey(String),
    /// The signature is not that of this request with this key.
    #[error(
        "the signature is not that of this request to `{audience}`; do both sides hold the same key, and is this the right system?"
    )]
    Forged {
        /// Who was asked.
        audience: String,
    },
    /// The clocks are too far apart, or the request was held back.
    #[error("the request's time is {} s {} the clock of this side; more than 30 s is refused: are both clocks synchronised?", .by_ms / 1000, if *.ahead { "ahead of" } else { "behind" })]
    OutOfTime {
        /// By how much, milliseconds.
        by_ms: u64,
        /// Whether the request's time is later than this side's.
        ahead: bool,
    },
    /// It was signed before this side started, or before its clock was set back.
    #[error("the request was signed before this side started (or its clock was set back): sign a new one")]
    TooOld,
    /// It was taken before.
    #[error("the request was taken before: each is signed anew")]
    Replayed,
    /// Too many signed requests within the window.
    #[error("{REMEMBERED_MAX} signed requests within the last minute: wait")]
    Full,
}

/// A list of keys that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two keys have the id `{id}`; rename one, on both sides")]
pub struct SameId {
    /// The id.
    pub id: String,
}

impl Verifier {
    /// With these keys, from now on. Requests that were signed before `now_ms` (Unix milliseconds) are refused: whether an
    /// earlier life took them is not known.
    ///
    /// # Errors
    /// [`SameId`].
    pub fn new(keys: impl IntoIterator<Item = Key>, now_ms: u64) -> Result<Self, SameId> {
        let mut known = BTreeMap::new();
        for key in keys {
            if let Some(twice) = known.insert(key.id().to_owned(), key) {
                return Err(SameId { id: twice.id().to_owned() });
            }
        }
        Ok(Self { keys: known, floor_ms: now_ms.saturating_sub(1), taken: BTreeSet::new() })
    }

    /// Believes a request or says why not. `header` is the value of `authorization`; `now_ms` is this side's wall time, Unix
    /// milliseconds. A believed request is remembered; a refused one changes nothing.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn verify(&mut self, request: &Request<'_>, header: Option<&str>, now_ms: u64) -> Result<Signer, Refusal> {
        let header = Header::read(header.ok_or(Refusal::Unsigned)?).ok_or(Refusal::Malformed)?;
        let key = self.keys.get(header.key).ok_or_else(|| Refusal::UnknownKey(header.key.to_owned()))?;
        let forged = || Refusal::Forged { audience: request.audience.to_owned() };
        request.checked().map_err(|_| forged())?;
        // The signature first: what follows tells the caller about this side's clock and memory.
        request_mac(key, request, header.time_ms, header.nonce)
            .verify_slice(&header.signature)
            .map_err(|_| forged())?;
        let by_ms = header.time_ms.abs_diff(now_ms);
        if by_ms > WINDOW_MS {
            return Err(Refusal::OutOfTime { by_ms, ahead: header.time_ms > now_ms });
        }
        if header.time_ms <= self.floor_ms {
            return Err(Refusal::TooOld);
        }
        self.forget(now_ms);
        let taken = (header.time_ms, header.nonce);
        if self.taken.contains(&taken) {
            return Err(Refusal::Replayed);
        }
        if self.taken.len() >= REMEMBERED_MAX {
            return Err(Refusal::Full);
        }
        self.taken.insert(taken);
        Ok(Signer { key: header.key.to_owned(), time_ms: header.time_ms, nonce: header.nonce })
    }

    /// The key with this id, to sign answers with.
    pub fn key(&self, id: &str) -> Option<&Key> {
        self.keys.get(id)
    }

    /// Drops what the window refuses by itself, and keeps the line below which nothing is taken, should the clock go back.
    fn forget(&mut self, now_ms: u64) {
        while let Some(first) = self.taken.first().copied()
            && first.0.saturating_add(WINDOW_MS) < now_ms
        {
            self.floor_ms = self.floor_ms.max(first.0);
            self.taken.pop_first();
        }
    }
}

struct Header<'a> {
    key: &'a str,
    time_ms: u64,
    nonce: Nonce,
    signature: [u8; 32],
}

impl<'a> Header<'a> {
    /// Exactly the four fields in their order: what is accepted has one spelling.
    fn read(value: &'a str) -> Option<Self> {
        if value.len() > HEADER_MAX {
            return None;
        }
        let (scheme, fields) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return None;
        }
        let mut fields = fields.split(',');
        let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
        let key = field("key")?;
        let time = field("time")?;
        let nonce = field("nonce")?;
        let signature = field("signature")?;
        if fields.next().is_some() || time.is_empty() || !time.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            key,
            time_ms: time.parse().ok()?,
            nonce: Nonce(unhex(nonce.as_bytes())?),
            signature: unhex(signature.as_bytes())?,
        })
    }
}

//! Browsers that somebody logged in with a token. Pure: time and random bytes are given.
//!
//! A browser cannot be given a header to send, so it gets a cookie, which is worth what the token is for a bounded time; the page and
//! its scripts cannot read it. What is kept is the digest of the cookie and that of the token: with the token's line gone from its
//! file the session is worth nothing any more.

use core::time::Duration;
use failstop_client::token::Digest;
use failstop_core::Monotonic;

/// The most sessions at one time; the one that was idle for longest makes room.
pub const SESSIONS_MAX: usize = 32;

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// At most.
    pub life: Duration,
    /// Without a request.
    pub idle: Duration,
}

impl SessionLimits {
    /// Of the control listener.
    pub const CONTROL: Self = Self { life: Duration::from_secs(12 * 3600), idle: Duration::from_secs(30 * 60) };
}

/// What a browser shows again: 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// Of these random bytes.
    pub fn of(random: [u8; 32]) -> Self {
        Self(random.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// As a browser sends it; `None` where it is no session's.
    pub fn parse(text: &str) -> Option<Self> {
        let good = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        good.then(|| Self(text.to_owned()))
    }

    /// What the cookie holds.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId(covered)")
    }
}

#[derive(Clone, Copy, Debug)]
struct Session {
    id: Digest,
    token: Digest,
    began: Monotonic,
    used: Monotonic,
}

/// The sessions that there are.
#[derive(Clone, Debug)]
pub struct Sessions {
    limits: SessionLimits,
    open: Vec<Session>,
}

impl Sessions {
    /// None yet.
    pub const fn new(limits: SessionLimits) -> Self {
        Self { limits, open: Vec::new() }
    }

    /// Whoever has this token is logged in by this id from now on.
    pub fn begin(&mut self, id: &SessionId, token: Digest, now: Monotonic) {
        self.end_what_is_over(now);
        if self.open.len() >= SESSIONS_MAX
            && let Some(idlest) = (0..self.open.len()).min_by_key(|at| self.open.get(*at).map(|session| session.used))
        {
            self.open.swap_remove(idlest);
        }
        self.open.push(Session { id: id.digest(), token, began: now, used: now });
    }

    /// The token that this session was begun with, while it lasts.
    pub fn token_of(&mut self, id: &SessionId, now: Monotonic) -> Option<Digest> {
        self.end_what_is_over(now);
        let id = id.digest();
        let session = self.open.iter_mut().find(|session| session.id == id)?;
        session.used = now;
        Some(session.token)
    }

    /// It is over.
    pub fn end(&mut self, id: &SessionId) {
        let id = id.digest();
        self.open.retain(|session| session.id != id);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn end_what_is_over(&mut self, now: Monotonic) {
        let SessionLimits { life, idle } = self.limits;
        self.open.retain(|session| now.since(session.began) < life && now.since(session.used) < idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Monotonic {
        Monotonic::from_nanos(minutes * 60 * 1_000_000_000)
    }

    fn id(byte: u8) -> SessionId {
        SessionId::of([byte; 32])
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_not_for_ever() {
        let token = Digest::of(b"token");
        let mut sessions = Sessions::new(SessionLimits::CONTROL);
        assert_eq!(sessions.token_of(&id(1), at(0)), None);
        sessions.begin(&id(1), token, at(0));
        assert_eq!(sessions.token_of(&id(1), at(29)), Some(token));
        assert_eq!(sessions.token_of(&id(2), at(29)), None);
        assert_eq!(sessions.token_of(&id(1), at(59)), None, "idle for half an hour");
        sessions.begin(&id(1), token, at(100));
        for minute in (100..820).step_by(20) {
            assert_eq!(sessions.token_of(&id(1), at(minute)), Some(token), "{minute}");
        }
        assert_eq!(sessions.token_of(&id(1), at(820)), None, "twelve hours");
        sessions.begin(&id(1), token, at(900));
        sessions.end(&id(1));
        assert_eq!(sessions.token_of(&id(1), at(900)), None);
        assert!(sessions.is_empty());
    }

    #[test]
    fn there_are_only_so_many_and_the_idlest_goes() {
        let mut sessions = Sessions::new(SessionLimits::CONTROL);
        sessions.begin(&id(0), Digest::of(b"0"), at(0));
        for byte in 1..=100 {
            sessions.begin(&id(byte), Digest::of(b"t"), at(1));
            assert!(sessions.token_of(&id(0), at(2)).is_some(), "{byte}");
        }
        assert_eq!(sessions.len(), SESSIONS_MAX);
    }

    #[test]
    fn a_cookie_has_one_spelling() {
        let one = id(0xa7);
        assert_eq!(SessionId::parse(one.reveal()), Some(one.clone()));
        assert_eq!(format!("{one:?}"), "SessionId(covered)");
        for wrong in ["", "a7", &one.reveal().to_uppercase(), &one.reveal()[1..], &format!("{}0", one.reveal())] {
            assert_eq!(SessionId::parse(wrong), None, "{wrong}");
        }
    }
}

//! What somebody shows to prove who he is, as it stands in a request's headers.

use crate::access::SessionId;
use crate::doors::http::same_origin;
use crate::doors::proving::{authorization, bearer};
use axum::http::{HeaderMap, header};
use failstop_client::signed;
use failstop_client::token::{Token, TokenError};

/// The cookie of a browser that somebody logged in. The first part of its name has the browser keep it to this very host and to
/// TLS.
pub(super) const COOKIE: &str = "__Host-failstop";

/// What is shown.
#[derive(Debug)]
pub(super) enum Shown {
    /// Nothing.
    Nothing,
    /// A header that is, or is not, a signature.
    Signature(Option<String>),
    /// A token.
    Token(Result<Token, TokenError>),
    /// A browser's session.
    Session(SessionId),
}

/// What these headers show. A token or a signature counts more than what a browser sends along by itself.
pub(super) fn shown(headers: &HeaderMap, takes_tokens: bool) -> Shown {
    match authorization(headers) {
        None if takes_tokens => session(headers),
        None => Shown::Nothing,
        Some(only) => match only.and_then(bearer) {
            Some(token) if takes_tokens => Shown::Token(Token::parse(token)),
            Some(_) | None => Shown::Signature(only.map(str::to_owned)),
        },
    }
}

fn session(headers: &HeaderMap) -> Shown {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut ours = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(name, value)| (name == COOKIE).then_some(value));
    match (ours.next().map(SessionId::parse), ours.next()) {
        (Some(Some(id)), None) => Shown::Session(id),
        (Some(_), _) | (None, _) => Shown::Nothing,
    }
}

/// Whether a request comes from a page of this very host, as far as its browser says so; `needed`: it must say so.
pub(super) fn from_here(headers: &HeaderMap, needed: bool) -> bool {
    let Some(same) = same_origin(headers) else { return !needed };
    // A page that came without TLS is not ours, whatever its host.
    same && headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// The schemes that are taken, for an answer that says so.
pub(super) fn schemes(takes_tokens: bool) -> impl Iterator<Item = &'static str> {
    [Some(signed::SCHEME), takes_tokens.then_some("Bearer realm=\"failstop\"")].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use axum::http::HeaderName;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_header_counts_more_than_a_cookie_and_two_are_nothing() {
        let token = Token::of([1; 32]);
        let bearer = format!("bearer {}", token.reveal());
        let id = SessionId::of([2; 32]);
        let cookie = format!("a=b; {COOKIE}={}; c=d", id.reveal());
        let cookie = cookie.as_str();
        let is_token = |shown| matches!(shown, Shown::Token(Ok(shown)) if shown.digest() == token.digest());
        assert!(is_token(shown(&headers(&[("authorization", &bearer)]), true)));
        assert!(is_token(shown(&headers(&[("authorization", &bearer), ("cookie", cookie)]), true)));
        assert!(matches!(shown(&headers(&[("cookie", cookie)]), true), Shown::Session(shown) if shown == id));
        // Without TLS neither is looked at.
        assert!(matches!(shown(&headers(&[("authorization", &bearer)]), false), Shown::Signature(Some(_))));
        assert!(matches!(shown(&headers(&[("cookie", cookie)]), false), Shown::Nothing));
        let twice = headers(&[("authorization", &bearer), ("authorization", &bearer)]);
        assert!(matches!(shown(&twice, true), Shown::Signature(None)));
        assert!(matches!(shown(&headers(&[("cookie", cookie), ("cookie", cookie)]), true), Shown::Nothing));
        assert!(matches!(shown(&headers(&[("authorization", "Bearer x")]), true), Shown::Token(Err(_))));
        let short = format!("{COOKIE}=abc");
        assert!(matches!(shown(&headers(&[("cookie", &short)]), true), Shown::Nothing));
        assert!(matches!(shown(&HeaderMap::new(), true), Shown::Nothing));
    }

    #[test]
    fn a_page_of_another_origin_is_told_from_ours() {
        let judge = |origin: Option<&str>, needed| {
            let mut pairs = vec![("host", "bot-host:8443")];
            pairs.extend(origin.map(|origin| ("origin", origin)));
            from_here(&headers(&pairs), needed)
        };
        assert!(judge(Some("https://bot-host:8443"), true) && judge(Some("https://BOT-HOST:8443"), true));
        assert!(judge(None, false) && !judge(None, true));
        for foreign in [
            "http://bot-host:8443",
            "https://bot-host",
            "https://evil.example",
            "null",
            "https://bot-host:8443.evil.example",
        ] {
            assert!(!judge(Some(foreign), false), "{foreign}");
        }
    }
}

//! How somebody gets into the page with a browser, which cannot be given a header: a form takes the token and gives a cookie that
//! neither scripts nor other sites get to see. The token itself is kept nowhere.

use super::gate::Inside;
use super::proof::{COOKIE, from_here};
use crate::access::{SessionId, SessionLimits, Who};
use crate::doors::http::{Limits, answer, problem, wants_a_page, whole};
use crate::doors::proving::Unproved;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use failstop_client::token::Token;
use failstop_view::page::{self, ASSETS, LOGIN_POLICY};
use std::net::SocketAddr;

const LOGIN: &str = "/login";
const LOGOUT: &str = "/logout";

/// A form with a token in it is not larger.
const FORM_MAX_BYTES: usize = 2048;

/// Whether it is the form's path.
pub(super) fn is_login(uri: &Uri) -> bool {
    uri.path() == LOGIN
}

/// Whether a request is answered to anybody: the form, its answer, and what makes it look like the page.
pub(super) fn is_for_anybody(request: &Request) -> bool {
    let path = request.uri().path();
    match *request.method() {
        Method::GET | Method::HEAD => path == LOGIN || ASSETS.iter().any(|asset| asset.path == path),
        Method::POST => path == LOGIN,
        _ => false,
    }
}

/// Whether somebody wants to leave.
pub(super) fn is_logout(request: &Request) -> bool {
    request.method() == Method::POST && request.uri().path() == LOGOUT
}

/// Whether a person opens a page, and can be led to the form.
pub(super) fn is_a_visit(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD) && wants_a_page(request.headers())
}

/// The form; `wrong`: what was wrong with the last try.
pub(super) fn form(system: &str, wrong: Option<&str>) -> Response {
    let status = if wrong.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    html(status, page::login(system, wrong))
}

/// The way out.
pub(super) fn way_out(system: &str, who: &Who) -> Response {
    html(StatusCode::OK, page::logged_in(system, &who.principal.to_string(), who.standing.name()))
}

fn html(status: StatusCode, document: String) -> Response {
    let mut response = answer(status, "text/html; charset=utf-8", document);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, LOGIN_POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Without this browsers do not say where the form is from.
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// To the form.
pub(super) fn lead_there() -> Response {
    see(LOGIN)
}

fn see(path: &'static str) -> Response {
    let mut response = answer(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "");
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(path));
    response
}

/// What the form sent.
pub(super) async fn log_in(inside: &Inside, peer: SocketAddr, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // Else a foreign page could log this browser in as somebody else.
    if !from_here(&parts.headers, true) {
        return foreign();
    }
    if !is_form(&parts.headers) {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the form is sent as application/x-www-form-urlencoded");
    }
    let limits = Limits { body_bytes: FORM_MAX_BYTES, ..inside.limits.clone() };
    let body = match whole(&limits, body).await {
        Ok(body) => body,
        Err(fault) => return problem(fault.code(), fault.to_string()),
    };
    let token = Token::parse(&field(&body, "token").unwrap_or_default());
    let known = token.map_err(Unproved::NotAToken).and_then(|token| {
        let digest = token.digest();
        inside.gate.of_token(digest).map(|_| digest)
    });
    match known {
        Ok(digest) => match inside.gate.log_in(digest) {
            Some(id) => with_cookie(see("/"), &id, SessionLimits::CONTROL.life.as_secs()),
            None => problem(StatusCode::SERVICE_UNAVAILABLE, "the system gives no random bytes: nobody can log in"),
        },
        Err(unproved) => {
            inside.slow_down(peer, &unproved).await;
            form(inside.gate.system(), Some(&unproved.to_string()))
        }
    }
}

/// The session is over.
pub(super) fn log_out(inside: &Inside, id: &SessionId, request: &Request) -> Response {
    if !from_here(request.headers(), true) {
        return foreign();
    }
    inside.gate.log_out(id);
    with_cookie(see(LOGIN), id, 0)
}

fn foreign() -> Response {
    problem(StatusCode::FORBIDDEN, "a page of another origin may not ask here")
}

fn with_cookie(mut response: Response, id: &SessionId, seconds: u64) -> Response {
    let value = if seconds == 0 { "" } else { id.reveal() };
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict");
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn is_form(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// The first field of this name, as a form writes it.
fn field(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let value = text.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))?.1;
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_as_browsers_write_it() {
        for (body, value) in [
            ("token=failstop_12", Some("failstop_12")),
            ("a=b&token=+failstop_12%0D%0A&token=x", Some(" failstop_12\r\n")),
            ("token=", Some("")),
            ("token", None),
            ("tokens=1", None),
            ("token=%", None),
            ("token=%1", None),
            ("token=%zz", None),
            ("token=%ff", None),
            ("", None),
        ] {
            assert_eq!(field(body.as_bytes(), "token").as_deref(), value, "{body}");
        }
    }
}

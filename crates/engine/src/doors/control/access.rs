//! `GET /api/access`: as whom somebody asks, and which tokens there are.

use crate::access::{Role, Roster, Standing, Used, Who};
use crate::command::Principal;
use crate::doors::http::json;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use failstop_client::access::{AccessList, TokenEntry};
use std::path::PathBuf;
use std::sync::Arc;

/// The path.
pub const PATH: &str = "/api/access";

/// Adds it to a router of those who proved who they are.
pub(in crate::doors) fn with_access(router: Router, token_file: Option<PathBuf>, used: &Arc<Used>) -> Router {
    let used = Arc::clone(used);
    router.route(
        PATH,
        get(move |Extension(who): Extension<Who>| async move {
            let engine = nix::unistd::geteuid().as_raw();
            let roster = token_file.as_deref().map(|path| Roster::read(path, engine));
            answer(&who, roster.transpose().map_err(|error| error.to_string()), &used)
        }),
    )
}

fn answer(who: &Who, roster: Result<Option<Roster>, String>, used: &Used) -> Response {
    let admin = matches!(who.standing, Standing::Role(Role::Admin | Role::SuperAdmin));
    let own = match &who.principal {
        Principal::Token(name) | Principal::Certificate(name) => Some(name),
        Principal::User(_) | Principal::Key(_) | Principal::Telegram(_) => None,
    };
    let (roster, fault) = match roster {
        Ok(roster) => (roster.unwrap_or_default(), None),
        Err(fault) => (Roster::default(), Some(fault)),
    };
    let seen = roster.entries().iter().filter(|entry| admin || own == Some(&entry.name));
    let tokens = seen.map(|entry| TokenEntry {
        name: entry.name.clone(),
        role: entry.role.name().to_owned(),
        last_used: used.last(&entry.sign()).map(crate::status::rfc3339),
    });
    let list = AccessList {
        by: who.principal.to_string(),
        role: who.standing.name().to_owned(),
        tokens: tokens.collect(),
        fault: fault.filter(|_| admin),
        timestamp: crate::status::rfc3339(crate::clock::wall()),
    };
    json(StatusCode::OK, &list)
}

//! `failstop token`: makes tokens for people and programs on other hosts, shows which there are, and takes one out. It needs no engine:
//! the token file is read anew with each request.

use crate::args::access::{RoleName, RosterArgs, TokenAction};
use crate::args::{Format, StateArgs};
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::place::Place;
use crate::render::table::Table;
use crate::{configuration, out};
use failstop_client::access::AccessList;
use failstop_engine::access::{Entry, Role, Roster, RosterError, RosterFault, edit, new_token, text_of};
use failstop_view::component::since;
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// Does what is asked.
pub fn token(action: TokenAction) -> Result<Exit, Failure> {
    match action {
        TokenAction::New { name, role, file } => new(&name, role, &Kept::by(&file)?),
        TokenAction::List { file, format } => list(&file, format),
        TokenAction::Revoke { name, file } => revoke(&name, &Kept::by(&file)?),
    }
}

/// Where the hashes are kept, and whose that is to be.
struct Kept {
    path: PathBuf,
    owner: Option<(u32, u32)>,
}

impl Kept {
    fn by(args: &RosterArgs) -> Result<Self, Failure> {
        if let Some(path) = &args.file {
            return Ok(Self { path: path.clone(), owner: None });
        }
        let config = configuration::load(args.config.config.as_deref())?;
        let path = config.control.token_file.clone().ok_or_else(|| Failure::Usage {
            what: format!("{} names no file for tokens", config.file.display()),
            next: "write `token_file = \"control-tokens\"` in [control], or name a file with --file".to_owned(),
        })?;
        // The engine must be able to read it, whoever runs this command.
        let owner = std::fs::metadata(config.state_dir()).ok().map(|state| (state.uid(), state.gid()));
        Ok(Self { path, owner })
    }
}

impl From<RosterError> for Failure {
    fn from(error: RosterError) -> Self {
        let text = error.to_string();
        let (what, next) = text.rsplit_once("; ").unwrap_or((&text, "correct [control] token_file"));
        Self::NoEngine { what: what.to_owned(), next: next.to_owned() }
    }
}

fn wrong(what: String, next: &str) -> Failure {
    Failure::Usage { what, next: next.to_owned() }
}

/// What a text has; a line that is wrong keeps it from being changed.
fn parsed(kept: &Kept, text: &str) -> Result<Roster, Failure> {
    Roster::parse(text)
        .map_err(|(line, fault)| RosterError::Line { path: kept.path.clone(), line, fault })
        .map_err(Failure::from)
}

fn new(name: &str, role: RoleName, kept: &Kept) -> Result<Exit, Failure> {
    let token = new_token().map_err(|source| Failure::System { what: "get random bytes", source })?;
    let role = match role {
        RoleName::Viewer => Role::Viewer,
        RoleName::Admin => Role::Admin,
        RoleName::SuperAdmin => Role::SuperAdmin,
    };
    let entry = Entry::new(name, role, token.digest())
        .map_err(|fault| wrong(fault.to_string(), "choose another name, as in anas-phone"))?;
    edit(&kept.path, kept.owner, |old| {
        let mut roster = parsed(kept, old)?;
        match roster.add(entry.clone()) {
            Ok(()) => Ok(Roster::with_line(old, &entry)),
            Err(fault @ RosterFault::Twice) => {
                Err(refused(format!("{name}: {fault}; revoke that one first, or choose another name")))
            }
            Err(fault) => Err(refused(fault.to_string())),
        }
    })?;
    // Only the token on standard output, so that it can go into a file; what there is to know of it beside.
    out::complain(&format!(
        "this is the only time that the token of {name} ({role}) is shown; its hash is in {}",
        kept.path.display()
    ));
    out::print_last(&format!("{}\n", token.reveal()))?;
    Ok(Exit::Good)
}

fn refused(reason: String) -> Failure {
    Failure::Refused { reasons: vec![reason] }
}

fn list(args: &RosterArgs, format: Format) -> Result<Exit, Failure> {
    let kept = Kept::by(args)?;
    let text = match text_of(&kept.path, None) {
        Ok(text) => text,
        Err(RosterError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    let roster = parsed(&kept, &text)?;
    let engines = seen_by_engine(args);
    let fault = engines.as_ref().and_then(|list| list.fault.clone());
    let seen = engines.filter(|list| list.fault.is_none()).map(last_uses);
    let last = |name: &str| seen.as_ref().and_then(|seen| seen.get(name)).and_then(Option::as_deref);
    if let Some(fault) = &fault {
        out::complain(&format!("the engine takes no token: {fault}"));
    }
    out::print_last(&match format {
        Format::Text if roster.entries().is_empty() => format!("no token in {}\n", kept.path.display()),
        Format::Text => {
            let now = Timestamp::now();
            let mut table = Table::default();
            for entry in roster.entries() {
                let used = match (&seen, last(&entry.name)) {
                    (None, _) => String::new(),
                    (Some(_), None) => "not used since the engine started".to_owned(),
                    (Some(_), Some(at)) => format!("used {}", since(at, now).trim_start_matches("since ")),
                };
                table.row([entry.name.as_str().into(), entry.role.name().into(), used.into()]);
            }
            table.render()
        }
        Format::Json => {
            let one = |entry: &Entry| json!({ "name": entry.name, "role": entry.role.name(), "last_used": last(&entry.name) });
            let tokens: Vec<_> = roster.entries().iter().map(one).collect();
            out::json_line(&json!({ "tokens": tokens, "fault": fault }))?
        }
    })?;
    Ok(Exit::Good)
}

/// What an engine says of them, where one runs.
fn seen_by_engine(args: &RosterArgs) -> Option<AccessList> {
    if args.file.is_some() {
        return None;
    }
    let place = Place::of(&StateArgs { config: args.config.config.clone(), state: None }).ok()?;
    Engine::of(&place).ok()?.access().ok()
}

/// When each was shown last.
fn last_uses(list: AccessList) -> BTreeMap<String, Option<String>> {
    list.tokens.into_iter().map(|token| (token.name, token.last_used)).collect()
}

fn revoke(name: &str, kept: &Kept) -> Result<Exit, Failure> {
    edit(&kept.path, kept.owner, |old| {
        Roster::without_line(old, name)
            .ok_or_else(|| refused(format!("there is no token named {name}; see `failstop token list`")))
    })?;
    out::print_last(&format!("the token of {name} is revoked: with its next request it is nobody's\n"))?;
    Ok(Exit::Good)
}

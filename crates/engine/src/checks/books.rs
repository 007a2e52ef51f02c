//! Capital reconciles, strategies are in declared states, no order is in doubt: the journal folded from its first record on, by the
//! rules that the engine judges by. Reads only, beside a running engine too.

use super::{Finding, Subject};
use crate::books::{self, Folded, InFull, fold, orders_word, rule_of};
use failstop_journal::Wall;
use failstop_journal::ledger::{Book, Check, Entry, Violation};
use std::cell::OnceCell;

const REMEDY: &str = "see docs/runbooks/failsafe.md (capital); `failstop verify-data --deep` names every place";

/// The fold, made by the first check that asks for it.
#[derive(Debug, Default)]
pub(crate) struct Once(OnceCell<Result<Folded, String>>);

/// The books; nothing where there is no journal yet.
fn folded<'s>(subject: &'s Subject<'_>) -> Result<Option<&'s Folded>, Finding> {
    let state = subject.config.state_dir();
    if !state.join("journal").exists() {
        return Ok(None);
    }
    let folded = subject.folded.0.get_or_init(|| fold(state).map_err(|error| error.to_string()));
    match folded {
        Ok(folded) => Ok(Some(folded)),
        Err(error) => Err(Finding::undetermined(
            format!("the journal cannot be read: {error}"),
            "run this as the engine's user or root",
        )),
    }
}

pub(super) fn capital(subject: &Subject<'_>) -> Vec<Finding> {
    let folded = match folded(subject) {
        Ok(folded) => folded,
        Err(finding) => return vec![finding],
    };
    let mut findings = found(folded, |check| check.is_capital());
    findings.extend(contradictions(subject, folded, |entry| !matches!(entry, Entry::Strategy(_))));
    if !findings.is_empty() {
        return findings;
    }
    let most = u64::try_from(subject.config.ledger.suspense_max_age.as_nanos()).unwrap_or(u64::MAX);
    let old = folded.map(|folded| folded.book.old_suspense(Wall::now(), most)).unwrap_or_default();
    if let Some(first) = old.first() {
        return vec![Finding::warning(
            first.detail.clone(),
            "find out what it was, and post it on; see docs/runbooks/suspense.md",
        )];
    }
    let books = &subject.config.books;
    vec![Finding::passed(if books.keeps_capital() {
        format!(
            "{} in {}: accounts and pools sum to the same",
            counted(books.assets.len(), "asset"),
            counted(books.accounts.len(), "account")
        )
    } else {
        "no [[asset]] is configured: no capital is kept".to_owned()
    })]
}

pub(super) fn strategies(subject: &Subject<'_>) -> Vec<Finding> {
    let folded = match folded(subject) {
        Ok(folded) => folded,
        Err(finding) => return vec![finding],
    };
    let mut findings = found(folded, |check| !check.is_capital());
    findings.extend(contradictions(subject, folded, |entry| matches!(entry, Entry::Strategy(_))));
    if !findings.is_empty() {
        return findings;
    }
    vec![Finding::passed(match subject.config.books.strategies.len() {
        0 => "no [[strategy]] is configured".to_owned(),
        count => format!(
            "{} in declared states",
            if count == 1 { "1 strategy".to_owned() } else { format!("{count} strategies") }
        ),
    })]
}

pub(super) fn orders(subject: &Subject<'_>) -> Vec<Finding> {
    let folded = match folded(subject) {
        Ok(folded) => folded,
        Err(finding) => return vec![finding],
    };
    let doubtful: Vec<String> = folded
        .iter()
        .flat_map(|folded| folded.book.in_doubt(Wall::now()))
        .map(|doubtful| format!("{} ({})", doubtful.order.intent.id, orders_word(doubtful.doubt)))
        .collect();
    vec![match doubtful.first() {
        None => Finding::passed("none"),
        Some(first) => {
            let more = if doubtful.len() > 1 { format!(" and {} more", doubtful.len() - 1) } else { String::new() };
            Finding::failed(
                format!("in doubt: {first}{more}"),
                "find out at the venue what became of each: `failstop orders list`, `failstop orders resolve`",
            )
        }
    }]
}

/// What the fold found of one kind: what should never have been recorded, and what does not reconcile.
fn found(folded: Option<&Folded>, of_kind: impl Fn(Check) -> bool) -> Vec<Finding> {
    let Some(folded) = folded else { return Vec::new() };
    let mut findings = Vec::new();
    if let Some((seq, unsound)) = &folded.unsound
        && of_kind(rule_of(unsound))
    {
        findings.push(Finding::failed(format!("record {seq} breaks a rule: {unsound}"), REMEDY));
    }
    let standing: Vec<Violation> = folded.book.reconcile().into_iter().filter(|one| of_kind(one.check)).collect();
    if let Some(first) = standing.first() {
        let more = if standing.len() > 1 { format!(" (and {} more)", standing.len() - 1) } else { String::new() };
        findings.push(Finding::failed(format!("{}{more}", InFull(first)), REMEDY));
    }
    findings
}

/// What the configuration declares otherwise than the journal may take it.
fn contradictions(subject: &Subject<'_>, folded: Option<&Folded>, of_kind: impl Fn(&Entry) -> bool) -> Vec<Finding> {
    let empty = Book::new();
    let found = books::contradictions(&subject.config.books, folded.map_or(&empty, |folded| &folded.book));
    let of_kind = found.iter().filter(|(entry, _)| of_kind(entry));
    let finding = |violation: &Violation| {
        Finding::failed(
            format!("the configuration contradicts the journal: {violation}"),
            "write it as it was, or give it another name",
        )
    };
    of_kind.map(|(_, violation)| finding(violation)).collect()
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

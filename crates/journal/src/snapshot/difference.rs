//! Where two snapshots of the same record differ first, and by how much.

use super::file::Snapshot;
use super::line::Line;
use failstop_amount::{Amount, Scale};

/// The line and the byte in `file` at which it is not what replay gives, and the difference in words.
pub(crate) fn difference(file: &Snapshot, given: &Snapshot) -> (u64, u64, String) {
    let (stated, ours) = (file.lines(), given.lines());
    let same = stated.iter().zip(ours).take_while(|(a, b)| a == b).count();
    let header = file.bytes().split_inclusive(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len);
    let offset = header + stated[..same].iter().map(|line| line.len() + 1).sum::<usize>();
    if file.header() != given.header() {
        return (1, 0, "its header is not what replay gives".to_owned());
    }
    let detail = match (stated.get(same), ours.get(same)) {
        (Some(stated), Some(ours)) => {
            amounts(stated, ours).unwrap_or_else(|| format!("flows: stands {stated}, but replay gives {ours}"))
        }
        (Some(stated), None) => format!("flows: stands {stated}, but replay gives no such line"),
        (None, Some(ours)) => format!("flows: replay gives {ours}, which is missing"),
        (None, None) => "its trailer is not what replay gives".to_owned(),
    };
    (same as u64 + 2, offset as u64, detail)
}

/// The exact difference, where both lines are of the same balance.
fn amounts(stated: &str, ours: &str) -> Option<String> {
    let (stated, ours) = (balance(stated)?, balance(ours)?);
    if stated.what != ours.what {
        return None;
    }
    let moved = stated.opening == stated.closing && ours.opening == ours.closing;
    let (check, a, b, than) = if moved || stated.opening == ours.opening {
        ("flows", stated.closing, ours.closing, "the snapshot before and the flows since give")
    } else {
        ("opening", stated.opening, ours.opening, "the snapshot before closed with")
    };
    let off = a.checked_sub(b).map_or("beyond counting".to_owned(), |off| off.to_string());
    Some(format!("{check}: {}: stands {a}, but {than} {b}; difference {off}", stated.what))
}

struct Balance {
    what: String,
    opening: Amount,
    closing: Amount,
}

fn balance(text: &str) -> Option<Balance> {
    let (what, opening, closing) = match serde_json::from_str(text).ok()? {
        Line::AccountBalance { account, asset, opening, closing } => {
            (format!("account {account} {asset}"), opening, closing)
        }
        Line::PoolBalance { pool, asset, opening, closing } => (format!("pool {pool} {asset}"), opening, closing),
        Line::OutsideBalance { account, asset, opening, closing, .. } => {
            (format!("outside account {account} {asset}"), opening, closing)
        }
        Line::Holding { account, pool, asset, amount } => {
            (format!("account {account}, pool {pool} {asset}"), amount.clone(), amount)
        }
        Line::Position { account, instrument, quantity } => {
            (format!("position {account} {instrument}"), quantity.clone(), quantity)
        }
        Line::Account { .. }
        | Line::Asset { .. }
        | Line::Capital { .. }
        | Line::Closed { .. }
        | Line::Discrepancy { .. }
        | Line::Halt { .. }
        | Line::Instrument { .. }
        | Line::Mode { .. }
        | Line::Order { .. }
        | Line::Pool { .. }
        | Line::Strategy { .. }
        | Line::StrategyState { .. } => return None,
    };
    let read = |text: &str| {
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        Amount::parse(text, Scale::new(u8::try_from(decimals).ok()?).ok()?).ok()
    };
    Some(Balance { what, opening: read(&opening)?, closing: read(&closing)? })
}

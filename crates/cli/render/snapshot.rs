//! Snapshots as text: the list, and what one says of capital, positions, strategies, orders and halts.

use super::number::grouped;
use super::table::{Cell, Table};
use failstop_engine::books::SnapshotFile;
use failstop_journal::snapshot::{Line, Snapshot};

/// The list, oldest first.
pub fn list(files: &[SnapshotFile]) -> String {
    if files.is_empty() {
        return "no snapshots\n".to_owned();
    }
    let mut table = Table::default();
    table.row(["record".into(), "closes".into(), "taken".into(), "file".into(), "sha256".into(), "state".into()]);
    for file in files {
        table.row([
            Cell::from(file.seq.to_string()).right(),
            Cell::from(file.day.clone().unwrap_or_else(|| "-".to_owned())),
            Cell::from(file.taken.clone().unwrap_or_else(|| "-".to_owned())),
            Cell::from(file.file.clone()),
            Cell::from(file.sha256.as_deref().and_then(|sum| sum.get(..16)).unwrap_or("-").to_owned()),
            Cell::from(file.problem.clone().unwrap_or_else(|| "sound".to_owned())),
        ]);
    }
    table.render()
}

/// One snapshot, section by section.
pub fn show(snapshot: &Snapshot) -> String {
    let header = snapshot.header();
    let mut out = format!("snapshot of {} at record {}\n", header.origin, grouped(header.seq));
    if let Some(day) = &header.day {
        out.push_str(&format!("closes {day}\n"));
    }
    if let Some(prev) = &header.prev {
        out.push_str(&format!("opens from the snapshot at record {}\n", grouped(prev.seq)));
    }
    let lines: Vec<Line> = snapshot.lines().iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for (title, row) in SECTIONS {
        let mut table = Table::default();
        let mut count = 0;
        for cells in lines.iter().filter_map(row) {
            table.row(cells);
            count += 1;
        }
        if count > 0 {
            out.push_str(&format!("\n{title}\n{}", table.render()));
        }
    }
    out
}

type Row = fn(&Line) -> Option<[Cell; 4]>;

/// The sections, in the order in which they are read.
const SECTIONS: [(&str, Row); 7] = [
    ("mode and halts", system),
    ("assets: in accounts, in pools, outside", assets),
    ("balances: opening, closing", balances),
    ("holdings by account and pool", holdings),
    ("positions", positions),
    ("strategies", strategies),
    ("open orders and discrepancies", open),
];

fn cells(a: &str, b: &str, c: &str, d: &str) -> Option<[Cell; 4]> {
    Some([Cell::from(a), Cell::from(b), Cell::from(c).right(), Cell::from(d).right()])
}

fn system(line: &Line) -> Option<[Cell; 4]> {
    match line {
        Line::Mode { mode, permission, epoch } => cells(mode, permission, &format!("epoch {epoch}"), ""),
        Line::Halt { id, cause, cap, evidence, .. } => {
            Some([format!("h-{id} {cause}").into(), cap.as_str().into(), evidence.as_str().into(), "".into()])
        }
        _ => None,
    }
}

fn assets(line: &Line) -> Option<[Cell; 4]> {
    match line {
        Line::Asset { name, accounts, pools, outside, .. } => Some([
            name.as_str().into(),
            Cell::from(accounts.as_str()).right(),
            Cell::from(pools.as_str()).right(),
            Cell::from(outside.as_str()).right(),
        ]),
        _ => None,
    }
}

fn balances(line: &Line) -> Option<[Cell; 4]> {
    match line {
        Line::AccountBalance { account, asset, opening, closing } => {
            cells(&format!("account {account}"), asset, opening, closing)
        }
        Line::PoolBalance { pool, asset, opening, closing } => cells(&format!("pool {pool}"), asset, opening, closing),
        Line::OutsideBalance { account, asset, opening, closing, .. } => {
            cells(&format!("outside {account}"), asset, opening, closing)
        }
        _ => None,
    }
}

fn holdings(line: &Line) -> Option<[Cell; 4]> {
    match line {
        Line::Holding { account, pool, asset, amount } => cells(&format!("{account} / {pool}"), asset, amount, ""),
        _ => None,
    }
}

fn positions(line: &Line) -> Option<[Cell; 4]> {
    match line {
        Line::Position { account, instrument, quantity } => cells(account, instrument, quantity, ""),
        _ => None,
    }
}

fn strategies(line: &Line) -> Option<[Cell; 4]> {
    match line {
        Line::StrategyState { strategy, instance, state, seq } => {
            cells(strategy, instance.as_deref().unwrap_or(""), state, &format!("since record {seq}"))
        }
        _ => None,
    }
}

fn open(line: &Line) -> Option<[Cell; 4]> {
    match line {
        Line::Order { intent, outcome, doubt, seq, .. } => {
            let state = match (doubt, outcome) {
                (Some(_), _) => "in doubt",
                (None, Some(outcome)) => outcome.name(),
                (None, None) => "no outcome yet",
            };
            cells(&intent.id, intent.instrument.as_deref().unwrap_or(""), state, &format!("record {seq}"))
        }
        Line::Discrepancy { seq, violation } => {
            Some(["discrepancy".into(), violation.to_string().into(), format!("record {seq}").into(), "".into()])
        }
        _ => None,
    }
}
